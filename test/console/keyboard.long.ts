import type { Browser, Locator, Page } from 'playwright-core';
import { openChain } from '../http/support/sessions';
import {
  type Account,
  ADMIN,
  type Json,
  startTestApplication,
  type TestApplication,
} from '../support/app/test-application';
import { describeInChromium, launchChromium } from '../support/chromium';
import { freePort } from '../support/free-port';
import { until } from '../support/until';
import { Keyboard } from './keyboard';
import { Visitor } from './visitor';

/** What functions that run in a page see. */
declare const window: Json;

describeInChromium('by the keyboard alone', () => {
  jest.setTimeout(120_000);

  let app: TestApplication;
  let browser: Browser;
  let visitor: Visitor;
  let page: Page;
  let keys: Keyboard;
  let user: Account & { id: string };

  beforeAll(async () => {
    app = await startTestApplication({ env: { CONSOLE_ENABLED: 'true', PORT: String(await freePort()) } });
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser.close();
    await app.close();
  });

  beforeEach(async () => {
    user = await app.register();
    visitor = await Visitor.open(browser, app.url);
    ({ page } = visitor);
    keys = new Keyboard(page);
    // A mouse in this file would be a complaint; a press of a key is a click without a pointer.
    await page.evaluate(() => window.addEventListener('pointerdown', () => window.complain('a pointer'), true));
  });
  afterEach(async () => {
    expect(visitor.complaints).toEqual([]);
    await visitor.context.close();
  });

  const button = (name: string) => page.getByRole('button', { name, exact: true });
  const heading = (name: string, level = 2) => page.getByRole('heading', { name, level, exact: true });
  const said = (text: string | RegExp) => page.getByRole('status').filter({ hasText: text }).waitFor();
  const logIn = async (deviceName: string) => (await app.logIn(user, { deviceName })).body;
  const isLive = async ({ accessToken }: Json) => (await app.get('/auth/me', accessToken)).status === 200;
  const visitUser = async () => {
    await keys.visit('Users');
    await keys.fill(page.getByRole('searchbox'), user.email);
    await keys.press('Enter');
    await keys.on(page.getByRole('link', { name: user.email }), 'Enter');
    await keys.rests(heading(user.email, 1));
  };
  /** The access token of before has the older proof only after a refresh. */
  const proofGrowsOld = async () => {
    await app.query(
      `UPDATE sessions SET auth_time = now() - interval '1 hour' WHERE user_id = (SELECT id::text FROM users WHERE email = $1)`,
      [ADMIN.email],
    );
    await page.evaluate(() => {
      const { localStorage } = window;
      const name = Object.keys(localStorage).find((key) => key.startsWith('ratchet:')) ?? '';
      const held = JSON.parse(localStorage.getItem(name) ?? '{}') as object;
      localStorage.setItem(name, JSON.stringify({ ...held, dueAt: 0 }));
    });
  };

  // Seen red with a disabled button, which loses the focus, in the place of one that is busy.
  it('signs in after a wrong password, skips the menu, goes from page to page, and signs out', async () => {
    await keys.fill(page.getByLabel('E-mail'), ADMIN.email);
    await keys.fill(page.getByLabel('Password'), 'not the password');
    await keys.on(button('Sign in'), 'Enter');
    await page.getByRole('alert').filter({ hasText: 'The e-mail or the password is wrong.' }).waitFor();
    await keys.rests(page.getByLabel('Password'));
    await keys.type(ADMIN.password);
    await keys.press('Enter');
    await keys.rests(heading('Now', 1));

    for (const name of ['Users', 'Trail', 'Cut-off', 'Keys and limits', 'Now']) await keys.visit(name);
    await keys.on(page.getByRole('link', { name: 'Skip to the content' }), 'Enter');
    await keys.rests(heading('Now', 1));

    await keys.on(button('Sign out'), 'Enter');
    await keys.rests(heading('Ratchet', 1));
    expect(await visitor.context.cookies()).toEqual([]);
  });

  // Seen red without the heading that takes the focus of what has gone, and with a button that does not take it back.
  it('ends one session, the others and all, and the focus goes to what is left', async () => {
    const sessions = [await logIn('Device 0'), await logIn('Device 1'), await logIn('Device 2')];
    const live = () => Promise.all(sessions.map(isLive));
    await keys.signIn(ADMIN);
    await visitUser();

    await keys.on(button('End the session of Device 2'), 'Enter');
    await said('The session has ended.');
    await keys.rests(heading('Live sessions'));
    expect(await live()).toEqual([true, true, false]);

    const others = button('End all sessions except that of Device 1');
    await keys.on(others, 'Space');
    await keys.rests(button('Yes'));
    await keys.press('Escape');
    await keys.rests(others);
    await keys.press('Enter');
    await keys.rests(button('Yes'));
    await keys.on(button('No'), 'Enter');
    await keys.rests(others);
    expect(await live()).toEqual([true, true, false]);
    await keys.press('Enter');
    await keys.rests(button('Yes'));
    await keys.press('Enter');
    await said('1 other session ended.');
    await keys.rests(others);
    expect(await live()).toEqual([false, true, false]);

    await keys.on(button('End all sessions'), 'Enter');
    await keys.rests(button('Yes'));
    await keys.press('Enter');
    await said('1 session ended.');
    await keys.rests(heading('Live sessions'));
    expect(await live()).toEqual([false, false, false]);

    await keys.on(button('Dismiss'), 'Enter');
    await keys.rests(heading(user.email, 1));
  });

  it('refuses all tokens of a user, deactivates and activates', async () => {
    const session = await logIn('Device');
    await keys.signIn(ADMIN);
    await visitUser();
    await keys.fill(page.getByLabel('Reason', { exact: true }), 'The password was on a note');
    await keys.on(button('Refuse all tokens'), 'Enter');
    await keys.rests(button('Yes'));
    await keys.press('Enter');
    await said(/All tokens below version \d+ of this user are refused/);
    await keys.rests(button('Refuse all tokens'));
    expect(await isLive(session)).toBe(false);

    await keys.on(button('Deactivate'), 'Enter');
    await keys.rests(button('Yes'));
    await keys.press('Enter');
    await said('The user is deactivated');
    await keys.rests(button('Activate'));
    expect((await app.logIn(user)).status).toBe(401);
    await keys.press('Space');
    await said('The user can sign in again.');
    await keys.rests(button('Deactivate'));
    expect((await app.logIn(user)).status).toBe(200);
  });

  // Seen red with the token in the state of the history.
  it('acts for a user: the token is shown once, and is nowhere else', async () => {
    const printed: string[] = [];
    page.on('console', (message) => void printed.push(message.text()));
    await visitor.context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await keys.signIn(ADMIN);
    await visitUser();
    const act = async () => {
      await keys.fill(page.getByLabel('Reason to act'), 'Ticket 4711');
      await keys.on(button('Act for this user'), 'Enter');
      await keys.rests(button('Yes'));
      await keys.press('Enter');
      await said(/You can act for this user until \d\d:\d\d:\d\d/);
      await keys.rests(button('Copy the token'));
    };
    await act();
    await keys.press('Enter');
    await said('The token is copied.');
    const token: string = await page.evaluate(() => window.navigator.clipboard.readText());
    expect(await page.locator('.token').textContent()).toBe(token);
    expect(await app.get('/auth/me', token)).toMatchObject({ status: 200, body: { id: user.id } });
    const [acted] = (await app.events({ userId: user.id })).filter(({ type }) => type === 'auth.user.acted_as.v1');
    expect(acted).toMatchObject({ details: { cause: 'Ticket 4711' } });
    expect(await visitor.hindrances()).toEqual([]);

    const kept: string = await page.evaluate(() =>
      JSON.stringify([
        window.location.href,
        { ...window.localStorage },
        { ...window.sessionStorage },
        window.history.state,
      ]),
    );
    expect(kept + printed.join()).not.toContain(token.split('.').at(-1));
    await keys.on(button('Hide it'), 'Enter');
    await keys.rests(heading('Act for this user'));
    expect(await page.content()).not.toContain(token);

    await act();
    const another = (await page.locator('.token').textContent()) ?? '';
    expect(another).not.toBe(token);
    await keys.visit('Trail');
    await page.goBack();
    await keys.rests(heading(user.email, 1));
    await page.getByLabel('Reason to act').waitFor();
    expect(await page.content()).not.toContain(another);
  });

  it('does not act for oneself or for the inactive, and says why', async () => {
    await keys.signIn(ADMIN);
    const [me] = await app.query('SELECT id FROM users WHERE email = $1', [ADMIN.email]);
    await app.query('UPDATE users SET is_active = false WHERE id = $1', [user.id]);
    for (const [id, why] of [
      [me.id, 'Nobody acts for themselves'],
      [user.id, 'The user is deactivated.'],
    ]) {
      await page.goto(`${app.url}/console/#/users/${id}`);
      await keys.fill(page.getByLabel('Reason to act'), 'Ticket 4711');
      await keys.on(button('Act for this user'), 'Enter');
      await keys.rests(button('Yes'));
      await keys.press('Enter');
      await said(why);
      await keys.rests(button('Act for this user'));
      expect(await page.locator('.token').count()).toBe(0);
    }
  });

  // Seen red with a dialog that goes without being closed.
  it('proves the password where the proof is too old: the dialog keeps the focus, and gives it back', async () => {
    const { sessionId } = await openChain(app, 1);
    const isEnded = async () =>
      (await app.query('SELECT revoked_at FROM sessions WHERE id = $1', [sessionId]))[0].revoked_at !== null;
    await keys.signIn(ADMIN);
    await proofGrowsOld();
    await page.goto(`${app.url}/console/#/sessions/${sessionId}`);
    await keys.rests(heading('A session', 1));
    const end = button('End this session');
    const password = page.getByRole('dialog').getByLabel('Your password');
    const ask = async () => {
      await keys.on(end, 'Enter');
      await keys.rests(button('Yes'));
      await keys.press('Enter');
      await keys.rests(password);
    };
    await ask();
    await keys.on(button('Cancel'), 'Enter');
    await said('Nothing has changed: the password was not confirmed.');
    await keys.rests(end);
    await ask();
    await keys.press('Escape');
    await keys.rests(end);
    expect(await isEnded()).toBe(false);
    await ask();
    await keys.type('not the password');
    await keys.on(button('Confirm'), 'Enter');
    await page.getByText('The password is wrong.').waitFor();
    await keys.rests(password);
    await keys.type(ADMIN.password);
    await keys.press('Enter');
    await said('The session has ended.');
    await keys.rests(heading('A session', 1));
    expect(await isEnded()).toBe(true);
  });

  it('walks through the picture of a session, zooms and unfolds', async () => {
    const { sessionId } = await openChain(app, 30);
    await keys.signIn(ADMIN);
    await page.goto(`${app.url}/console/#/sessions/${sessionId}`);
    const picture = page.getByRole('group', { name: /beads on a string/ });
    await keys.on(picture, 'Home');
    await said('Opened by password');
    await keys.press('ArrowRight', 'ArrowRight');
    await page.locator('.item.chosen .fold').waitFor();
    await keys.press('Enter');
    await until(async () => (await page.locator('.picture .bead').count()) === 30);
    await keys.press('ArrowRight', 'ArrowLeft', 'End');
    await keys.rests(picture);
    await keys.on(page.getByRole('link', { name: 'Its events in the trail' }).first(), 'Shift+Tab');
    await keys.rests(picture);
    for (const [name, least] of [
      ['Zoom in', 3],
      ['Zoom out', 4],
    ] as const) {
      const zoom = button(name);
      await keys.to(zoom);
      for (let times = 0; times < least; times++) await keys.press('Enter');
      expect(await zoom.getAttribute('aria-disabled')).toBe('true');
      await keys.rests(zoom);
    }
    await keys.on(button('Fold again'), 'Enter');
    await keys.rests(picture);
    await keys.on(button('Read again'), 'Enter');
    await keys.rests(button('Read again'));
  });

  // Seen red with a pager that goes while a page is loaded, and one below it.
  it('filters the trail, turns its pages, follows it, saves it, and opens what its histogram counts', async () => {
    await openChain(app, 60);
    await keys.signIn(ADMIN);
    await keys.visit('Trail');
    const rows = page.locator('.events tbody tr');
    const rowsAre = (count: number) => until(async () => (await rows.count()) === count);
    await keys.fill(page.getByLabel('User id'), user.id);
    await keys.on(page.getByLabel('Outcome'), 'ArrowDown');
    await keys.on(button('Filter'), 'Enter');
    await rowsAre(1);
    await keys.rests(button('Filter'));

    await keys.on(page.getByLabel('Follow'), 'Space');
    await app.logIn(user);
    await rows.filter({ hasText: 'login succeeded' }).waitFor();
    await keys.rests(page.getByLabel('Follow'));
    await keys.press('Space');
    await rowsAre(3);

    for (const [name, format] of [
      ['Save as JSON lines', 'jsonl'],
      ['Save as CSV', 'csv'],
    ] as const) {
      const [saved] = await Promise.all([page.waitForEvent('download'), keys.on(button(name), 'Enter')]);
      expect(saved.suggestedFilename()).toBe(`audit-events.${format}`);
      await said(`audit-events.${format} is saved.`);
      await keys.rests(button(name));
    }

    await keys.on(page.locator('.rare').getByRole('link', { name: 'user registered' }), 'Enter');
    await page.waitForURL(/type=auth\.user\.registered\.v1/);
    // The page follows its address a moment later.
    await until(async () => (await page.getByLabel('Type').inputValue()) === 'auth.user.registered.v1');

    await keys.on(page.getByRole('link', { name: 'Clear' }), 'Enter');
    await rowsAre(50);
    await keys.rests(page.getByRole('link', { name: 'Clear' }));
    const timeOf = async (row: Locator) => (await row.locator('time').getAttribute('datetime')) ?? '';
    const oldest = await timeOf(rows.last());
    const older = button('Older');
    await keys.on(older, 'Enter');
    await until(async () => (await rows.count()) > 0 && (await timeOf(rows.first())) <= oldest);
    await keys.rests(older);
    await keys.press('Shift+Tab', 'Enter');
    await keys.rests(button('Newer'));
    await until(async () => (await button('Newer').getAttribute('aria-disabled')) === 'true');
  });

  it('cuts off after a dry run, with a reason and the word', async () => {
    await keys.signIn(ADMIN);
    await keys.visit('Cut-off');
    await page.getByText(/would be affected/).waitFor();
    await keys.on(page.getByRole('radio', { name: /immediate/ }), 'ArrowDown');
    await keys.rests(page.getByRole('radio', { name: /drain/ }));
    await keys.fill(page.getByLabel('Grace period, in seconds'), '600');
    await keys.fill(page.getByLabel('Reason'), 'A test by the keyboard');
    const cut = button('Cut off all tokens');
    expect(await cut.isDisabled()).toBe(true);
    await keys.fill(page.getByLabel(/To confirm/), 'cut off');
    await keys.on(cut, 'Enter');
    await said(/Version \d+ is required until/);
    await keys.rests(heading('Cut-off', 1));
    await page.getByText(/until the grace period of the last cut-off/).waitFor();
    expect(await app.query('SELECT rotation_mode FROM security_policy')).toEqual([{ rotation_mode: 'drain' }]);
  });

  it('reads the checks again, and sets the grace period', async () => {
    await keys.signIn(ADMIN);
    await keys.visit('Keys and limits');
    await page.locator('.checks').getByText('refresh keys').waitFor();
    expect(await page.locator('.checks li').count()).toBe(13);
    await app.query(`UPDATE sessions SET key_id = 7 WHERE user_id = $1`, [(await logIn('Device'), user.id)]);
    await keys.on(button('Check again'), 'Enter');
    await page.getByText('A check has failed.').waitFor();
    await page.getByText('the ring lacks 7 (1 live sessions)').waitFor();
    await keys.rests(button('Check again'));
    await app.query('UPDATE sessions SET key_id = 0');
    await keys.fill(page.getByLabel('Seconds'), '120');
    await keys.on(button('Set'), 'Enter');
    await said('The default grace period is 2 minutes.');
    await keys.rests(button('Set'));
  });
});
