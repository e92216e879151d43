import { AccessTokenAuthenticator, type AccessTokenClaims, AccessTokenKeys } from '../../../src/guard';
import { authentication, FakeSigner, FakeUsers } from './fakes';

/** Keys that are elsewhere, until they have been asked for once. */
class FetchedKeys extends AccessTokenKeys {
  fetches = 0;

  constructor(private readonly keys: FakeSigner) {
    super();
  }

  override verify(token: string): Promise<AccessTokenClaims | null> {
    this.fetches++;
    return Promise.resolve(this.keys.verify(token));
  }
}

describe('The authenticator with keys that must be fetched', () => {
  const signer = new FakeSigner();
  const { view } = authentication(signer, new FakeUsers());
  const keys = new FetchedKeys(signer);
  const authenticator = new AccessTokenAuthenticator(keys, view, { accessTokenTtlSeconds: 900 });
  beforeAll(() => view.start());
  afterAll(() => view.stop());

  it('waits for the key of a token that it has not seen, and answers the next one at once', async () => {
    signer.issue('good');
    const first = authenticator.authenticate('good');
    expect(first).toBeInstanceOf(Promise);
    const principal = await first;
    expect(principal).toMatchObject({ roles: ['user'] });
    expect(authenticator.authenticate('good')).toEqual(principal);
    expect(keys.fetches).toBe(1);
  });

  it('remembers nothing of a token that is none', async () => {
    expect(await authenticator.authenticate('junk')).toBeNull();
    expect(await authenticator.authenticate('junk')).toBeNull();
    expect(keys.fetches).toBe(3);
  });
});
