import { startTestApplication, type TestApplication } from '../support/app/test-application';
import { answerInBytes } from './support/answer-in-bytes';
import { REFUSALS, REVOKED } from './support/refusals';
import { expectTrail, openChain, present, rowOf, TRUSTING, userFloorOf } from './support/sessions';

// Seen red: the expiry before the reuse, a forgery that revokes, an old token of an ended session taken for a theft, the
// user's floor ignored, the global floor ignored, the activity not asked, an answer that tells the hidden reason.
describe('A refresh is refused for', () => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await startTestApplication({ env: TRUSTING });
  });
  afterAll(() => app.close());

  it.each(REFUSALS)('$name ($reason)', async ({ arrange, reason, ...expected }) => {
    const { findings = [], evidence = {}, details = {}, revokes, unknown = false } = expected;
    const chain = await openChain(app, 2);
    const other = await openChain(app, 0, { account: chain.account });
    const token = await arrange(app, chain);
    const before = await rowOf(app, chain.sessionId);
    const floor = await userFloorOf(app, chain.account.id);

    const { answer, trail } = await present(app, token);

    expect(answer).toMatchObject({ status: 401, body: { code: reason, recovery: 'reauthenticate' } });
    expectTrail(trail, { findings, reason, details });
    if (findings.length > 0) expect(trail[1].details).toMatchObject(evidence);
    if (revokes !== undefined) expect(trail.at(-2)).toMatchObject({ type: REVOKED, reason: revokes });
    for (const { user_id, session_id } of trail) {
      expect(user_id).toBe(unknown ? null : chain.account.id);
      if (!unknown) expect(session_id).toBe(chain.sessionId);
    }

    // A refusal changes nothing but what it says it ended.
    expect(await rowOf(app, chain.sessionId)).toEqual(
      revokes === undefined ? before : { ...before, revoked_at: expect.any(Date), revoked_reason: revokes },
    );
    expect(await rowOf(app, other.sessionId)).toMatchObject({ generation: 0, revoked_at: null });
    expect(await userFloorOf(app, chain.account.id)).toBe(floor);
  });
});

describe('While reasons are hidden', () => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await startTestApplication({ env: { EXPOSE_REFUSAL_REASON: 'false' } });
  });
  afterAll(() => app.close());

  it('every refusal is the same answer to the byte, headers and all', async () => {
    const answers = new Map<string, string[]>();
    for (const { name, arrange } of REFUSALS) {
      const chain = await openChain(app, 2);
      const token = await arrange(app, chain);
      // Twice: as it is refused first, and as it is refused ever after.
      for (const time of ['first', 'again']) {
        const bytes = await answerInBytes(app, '/auth/refresh', { refreshToken: token });
        answers.set(bytes, [...(answers.get(bytes) ?? []), `${name}, ${time}`]);
      }
    }
    expect([...answers.values()]).toEqual([REFUSALS.flatMap(({ name }) => [`${name}, first`, `${name}, again`])]);

    const [answer] = answers.keys();
    const [head, body] = answer!.split('\n\n');
    expect(head).toMatch(/^401 Unauthorized\n/);
    expect(head).not.toMatch(/^(set-cookie|x-request-id|etag):/im);
    expect(head).toMatch(/content-type: application\/problem\+json/i);
    expect(head).toMatch(/cache-control: no-store/i);
    expect(JSON.parse(body!)).toEqual({
      type: 'about:blank',
      title: 'Unauthorized',
      status: 401,
      code: 'refresh_refused',
      recovery: 'reauthenticate',
    });
  });
});
