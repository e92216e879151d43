import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { newAccessTokenKey } from '../../src/new-keys';
import { startTestApplication, type TestApplication } from '../support/app/test-application';

const run = promisify(execFile);

/** A Python that is earlier in the path may lack Debian's packages. */
const DEBIANS = '/usr/bin/python3';

/** As Debian has it: `apt install python3-jwt python3-cryptography`. */
const PYTHON = `
import sys, jwt
url, token = sys.argv[1:]
key = jwt.PyJWKClient(url + "/.well-known/jwks.json").get_signing_key_from_jwt(token)
claims = jwt.decode(token, key.key, algorithms=["ES256", "EdDSA", "RS256"], audience="ratchet", issuer="https://auth.example")
print(claims["sid"])
`;

const hasPython = (): Promise<boolean> =>
  run(DEBIANS, ['-c', 'import jwt, cryptography']).then(
    () => true,
    () => false,
  );

describe.each(['ES256', 'EdDSA', 'RS256'] as const)('An access token of %s', (algorithm) => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await startTestApplication({
      env: { ACCESS_TOKEN_ISSUER: 'https://auth.example', ACCESS_TOKEN_KEYS: `k1:${newAccessTokenKey(algorithm)}` },
    });
  });
  afterAll(() => app.close());

  it("is verified by Python's jwt with the public keys alone", async () => {
    if (!(await hasPython())) {
      process.stdout.write("Skipped: Debian's python3-jwt is not installed\n");
      return;
    }
    const { accessToken, sessionId } = (await app.logIn()).body;
    const verify = async (token: string) => (await run(DEBIANS, ['-c', PYTHON, app.url, token])).stdout.trim();
    expect(await verify(accessToken)).toBe(sessionId);
    const [header, , signature] = accessToken.split('.');
    const other = (await app.logIn()).body.accessToken.split('.')[1];
    await expect(verify(`${header}.${other}.${signature}`)).rejects.toThrow(/InvalidSignatureError/);
  });
});
