import { Controller, Get, Header } from '@nestjs/common';
import { Public } from 'nest-ratchet';

/** For a person in a browser: signs in by password, passkey or provider, and shows who is signed in. */
const PAGE = `<!doctype html>
<html lang="en">
<title>Finance tracker</title>
<form id="password">
  <input name="email" type="email" autocomplete="username" placeholder="E-mail">
  <input name="password" type="password" autocomplete="current-password" placeholder="Password">
  <button>Sign in</button>
</form>
<button id="passkey">Sign in with a passkey</button>
<button id="add">Add a passkey</button>
<a id="provider" href="/api/social">Sign in with the provider</a>
<p role="status"></p>
<script type="module">
  let pair = null;
  const show = (text) => (document.querySelector('[role=status]').textContent = text);
  const by = (id) => document.getElementById(id);

  async function send(method, path, body) {
    const headers = { 'Content-Type': 'application/json', ...(pair && { Authorization: 'Bearer ' + pair.accessToken }) };
    const answer = await fetch('/api' + path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    if (!answer.ok) throw new Error(path + ' was answered ' + answer.status);
    return answer.status === 204 ? null : answer.json();
  }

  async function signedIn(next) {
    pair = globalThis.pair = next;
    show('Signed in as ' + (await send('GET', '/auth/me')).email);
  }

  async function signInByPasskey() {
    const options = PublicKeyCredential.parseRequestOptionsFromJSON(await send('POST', '/passkeys/challenge', {}));
    const passkey = await navigator.credentials.get({ publicKey: options });
    await signedIn(await send('POST', '/passkeys/session', passkey.toJSON()));
  }

  async function addPasskey() {
    const options = PublicKeyCredential.parseCreationOptionsFromJSON(await send('POST', '/passkeys/registration', {}));
    const passkey = await navigator.credentials.create({ publicKey: options });
    await send('POST', '/passkeys', passkey.toJSON());
    show('The passkey was added');
  }

  async function signInByPassword() {
    const { email, password } = Object.fromEntries(new FormData(by('password')));
    await signedIn(await send('POST', '/auth/login', { email, password, delivery: 'cookie' }));
  }

  const trying = (work) => (event) => {
    event.preventDefault();
    work().catch((error) => show(error.message));
  };
  by('password').onsubmit = trying(signInByPassword);
  by('passkey').onclick = trying(signInByPasskey);
  by('add').onclick = trying(addPasskey);

  // Back from the provider, or opened again: the cookie says who is signed in.
  await send('POST', '/auth/refresh', {}).then(signedIn).catch(() => show('Signed out'));
</script>
</html>
`;

@Public()
@Controller('sign-in')
export class PageController {
  @Header('Content-Type', 'text/html; charset=utf-8')
  @Get()
  page(): string {
    return PAGE;
  }
}
