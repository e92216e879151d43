import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { decodeJwt, type JWTPayload } from 'jose';
import { Client } from 'pg';
import type { Browser, Page } from 'playwright-core';
import { describeInChromium, launchChromium } from '../../support/chromium';
import { freePort } from '../../support/free-port';
import { until } from '../../support/until';
import { ask, type Host, hostDatabase, type HostDatabase, startHost } from './host';

const ANN = { email: 'ann@example.com', password: 'a long enough passphrase' };
const BEN = 'ben@example.com';
const CLIENT = { OIDC_CLIENT_ID: 'finance', OIDC_CLIENT_SECRET: 'known to both' };

/** The passkey and the social login of examples/host-app, built in `folder`, as a person uses them. */
export function describeSignIn(folder: () => string): void {
  describeInChromium('in a browser', () => {
    let database: HostDatabase;
    let sql: Client;
    let provider: ChildProcess;
    let host: Host;
    let origin: string;
    let issuer: string;
    let browser: Browser;
    let page: Page;

    beforeAll(async () => {
      database = await hostDatabase();
      sql = new Client({ connectionString: database.url });
      await sql.connect();
      const [port, providerPort] = [await freePort(), await freePort()];
      // Passkeys belong to a name, so not to 127.0.0.1; the provider is another site.
      origin = `http://localhost:${port}`;
      issuer = `http://127.0.0.1:${providerPort}`;
      const env = { PORT: String(port), PUBLIC_ORIGIN: origin, OIDC_ISSUER: issuer, ...CLIENT };
      host = await startHost(folder(), database, env);
      provider = spawn(process.execPath, ['provider.mjs'], {
        cwd: folder(),
        env: { ...CLIENT, PORT: String(providerPort), REDIRECT_URI: `${origin}/api/social/callback` },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(provider.stdout!, 'data');
      expect(await ask('POST', `${host.url}/api/people`, ANN)).toMatchObject({ status: 201 });
      browser = await launchChromium();
    });
    afterAll(async () => {
      await browser.close();
      if (provider.kill()) await once(provider, 'close');
      await host.stop();
      await sql.end();
      await database.drop();
    });
    beforeEach(async () => {
      page = await browser.newPage();
      await page.goto(`${origin}/api/sign-in`);
      await shows('Signed out');
    });
    afterEach(() => page.close());

    const shows = (text: string) => page.getByRole('status').filter({ hasText: text }).waitFor();
    const press = (name: string) => page.getByRole('button', { name, exact: true }).click();
    const accessToken = () => page.evaluate<string>('pair.accessToken');
    const claims = async (): Promise<JWTPayload> => decodeJwt(await accessToken());
    /** Opens the page anew, which signs in by the cookie. */
    const reopen = () => page.goto(`${origin}/api/sign-in`);

    async function signInByPassword(): Promise<void> {
      await page.getByPlaceholder('E-mail').fill(ANN.email);
      await page.getByPlaceholder('Password').fill(ANN.password);
      await press('Sign in');
      await shows(`Signed in as ${ANN.email}`);
    }

    /** An authenticator that is always touched and unlocked. */
    async function giveAuthenticator(): Promise<void> {
      const devtools = await page.context().newCDPSession(page);
      await devtools.send('WebAuthn.enable');
      await devtools.send('WebAuthn.addVirtualAuthenticator', {
        options: {
          protocol: 'ctap2',
          transport: 'internal',
          hasResidentKey: true,
          hasUserVerification: true,
          isUserVerified: true,
          automaticPresenceSimulation: true,
        },
      });
    }

    async function addPasskey(): Promise<void> {
      await giveAuthenticator();
      await signInByPassword();
      await press('Add a passkey');
      await shows('The passkey was added');
    }

    async function signInByProvider(): Promise<void> {
      await page.getByRole('link', { name: 'Sign in with the provider' }).click();
      await page.waitForURL(`${issuer}/login/**`);
      await page.getByPlaceholder('E-mail').fill(BEN);
      await page.getByPlaceholder('Password').fill('secret');
      // The way back may be held: nothing waits for it here.
      await page.getByRole('button', { name: 'Continue' }).click({ noWaitAfter: true });
    }

    /** What the person does meanwhile, after the proof and before the session is opened: the row that notes the use is held. */
    async function between(
      table: 'passkeys' | 'identities',
      signIn: () => Promise<void>,
      meanwhile: () => Promise<void>,
    ) {
      await sql.query('BEGIN');
      await sql.query(`SELECT FROM ${table} FOR UPDATE`);
      await signIn();
      await until(async () => {
        const { rows } = await sql.query<{ waiting: number }>(
          "SELECT count(*)::int AS waiting FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        );
        return rows[0]!.waiting > 0;
      });
      await meanwhile();
      await sql.query('COMMIT');
    }

    const logOutEverywhere = async (token: string) =>
      expect(await ask('POST', `${host.url}/api/auth/logout-all`, undefined, token)).toMatchObject({ status: 200 });

    it('a person adds a passkey, and signs in with it', async () => {
      await addPasskey();
      const byPassword = await claims();
      await page.context().clearCookies();
      await reopen();
      await shows('Signed out');
      const sent = page.waitForRequest(`${origin}/api/passkeys/session`);
      await press('Sign in with a passkey');
      await shows(`Signed in as ${ANN.email}`);
      const byPasskey = await claims();
      expect(byPasskey).toMatchObject({
        sub: byPassword.sub,
        amr: ['pop', 'user', 'mfa'],
        acr: 'aal2',
        channel: 'web',
      });
      expect(byPasskey.sid).not.toBe(byPassword.sid);
      expect(byPasskey.auth_time).toBeGreaterThanOrEqual(byPassword.auth_time as number);
      await reopen();
      await shows(`Signed in as ${ANN.email}`);
      const refreshed = await claims();
      expect(refreshed).toMatchObject({ sid: byPasskey.sid, auth_time: byPasskey.auth_time, amr: byPasskey.amr });
      // The same answer is taken once.
      const answer = (await sent).postData();
      const again = page.waitForResponse(`${origin}/api/passkeys/session`);
      await page.evaluate((body) => {
        const headers = { 'Content-Type': 'application/json' };
        return fetch('/api/passkeys/session', { method: 'POST', headers, body }).then(({ status }) => status);
      }, answer);
      expect((await again).status()).toBe(401);
    });

    it('a passkey opens a dead session if its person logs out everywhere meanwhile', async () => {
      await addPasskey();
      const token = await accessToken();
      const answered = page.waitForResponse(`${origin}/api/passkeys/session`);
      await between(
        'passkeys',
        () => press('Sign in with a passkey'),
        () => logOutEverywhere(token),
      );
      const answer = await answered;
      expect(answer.status()).toBe(200);
      const { accessToken: dead } = (await answer.json()) as { accessToken: string };
      expect(await ask('GET', `${host.url}/api/accounts`, undefined, dead)).toMatchObject({ status: 401 });
      await reopen();
      await shows('Signed out');
    });

    it('a person whom the provider has verified gets an account, and signs in to it again', async () => {
      const began = Math.floor(Date.now() / 1000);
      await signInByProvider();
      await shows(`Signed in as ${BEN}`);
      const first = await claims();
      expect(first).toMatchObject({ amr: ['pwd'], channel: 'web' });
      expect(first.auth_time).toBeGreaterThanOrEqual(began);
      expect(first.auth_time).toBeLessThanOrEqual(first.iat!);
      // The provider knows its own session, so it asks nothing, and says when it last did.
      const back = page.waitForEvent('framenavigated');
      await page.getByRole('link', { name: 'Sign in with the provider' }).click();
      await back;
      await shows(`Signed in as ${BEN}`);
      expect(await claims()).toMatchObject({ sub: first.sub, auth_time: first.auth_time });
      expect((await claims()).sid).not.toBe(first.sid);
    });

    it('a social login opens a dead session if its person logs out everywhere meanwhile', async () => {
      await signInByProvider();
      await shows(`Signed in as ${BEN}`);
      const token = await accessToken();
      await page.context().clearCookies();
      await reopen();
      await shows('Signed out');
      const answered = page.waitForResponse((answer) => answer.url().startsWith(`${origin}/api/social/callback`));
      await between('identities', signInByProvider, () => logOutEverywhere(token));
      expect((await answered).status()).toBe(302);
      await page.waitForURL(`${origin}/api/sign-in`);
      await shows('Signed out');
    });

    it('a callback that this browser did not ask for, or a second time, opens nothing', async () => {
      const forge = async () =>
        (
          await page.goto(`${origin}/api/social/callback?code=forged&state=forged&iss=${encodeURIComponent(issuer)}`)
        )?.status();
      expect(await forge()).toBe(401);
      await page.request.get(`${origin}/api/social`, { maxRedirects: 0 });
      expect(await forge()).toBe(401);
      await reopen();
      await shows('Signed out');
      const called = page.waitForRequest((request) => request.url().includes('/api/social/callback'));
      await signInByProvider();
      await shows(`Signed in as ${BEN}`);
      expect((await page.goto((await called).url()))?.status()).toBe(401);
    });
  });
}
