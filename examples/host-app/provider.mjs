import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { Provider } from 'oidc-provider';

// An OpenID provider for this example: every account has the password `secret`, and its name is its e-mail.
// `node provider.mjs`, with PORT, REDIRECT_URI, OIDC_CLIENT_ID and OIDC_CLIENT_SECRET.

const port = Number(process.env.PORT ?? 4000);
const issuer = `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, {
  clients: [
    {
      client_id: process.env.OIDC_CLIENT_ID,
      client_secret: process.env.OIDC_CLIENT_SECRET,
      redirect_uris: [process.env.REDIRECT_URI],
    },
  ],
  claims: { openid: ['sub', 'amr', 'auth_time'], email: ['email', 'email_verified'] },
  conformIdTokenClaims: false, // the claims are in the id token, as with most providers
  cookies: { keys: ['an example'] },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, { uid }) => `/login/${uid}` },
  findAccount: (_, email) => ({ accountId: email, claims: () => ({ sub: email, email, email_verified: true }) }),
  // The application is the provider's own: nobody is asked whether it may know the e-mail.
  loadExistingGrant: async ({ oidc }) => {
    const grant = new oidc.provider.Grant({ accountId: oidc.session.accountId, clientId: oidc.client.clientId });
    grant.addOIDCScope('openid email');
    await grant.save();
    return grant;
  },
});

const PAGE = `<!doctype html><title>Provider</title><form method="post">
<input name="email" type="email" placeholder="E-mail"><input name="password" type="password" placeholder="Password">
<button>Continue</button></form>`;

async function logIn(request, response) {
  if (request.method !== 'POST') return response.setHeader('Content-Type', 'text/html').end(PAGE);
  const { email, password } = Object.fromEntries(new URLSearchParams(await text(request)));
  if (password !== 'secret') return response.writeHead(401, { 'Content-Type': 'text/html' }).end(PAGE);
  return provider.interactionFinished(request, response, { login: { accountId: email, amr: ['pwd'] } });
}

const answer = provider.callback();
createServer((request, response) => {
  if (!request.url.startsWith('/login/')) return answer(request, response);
  return logIn(request, response).catch((error) => response.writeHead(400).end(String(error)));
}).listen(port, '127.0.0.1', () => console.log(`Listening at ${issuer}`));
