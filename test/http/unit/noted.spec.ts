import type { DynamicModule } from '@nestjs/common';
import type { OpenAPIObject } from '@nestjs/swagger';

const OPENAPI = '../../../src/auth/http/kit/openapi';
const RULES = '../../../src/auth/http/kit/rules';

/** What `ask` returns where no other test has loaded any of our classes. */
async function apart<T>(prepare: () => void, ask: () => Promise<T>): Promise<T> {
  let answer: Promise<T> | undefined;
  await jest.isolateModulesAsync(async () => {
    prepare();
    answer = ask();
    await answer;
  });
  jest.dontMock(OPENAPI).dontMock(RULES);
  return answer as Promise<T>;
}

/** The decorators of the packages themselves, applied where they are written. */
function nothingWaits(): void {
  jest.doMock(OPENAPI, () => {
    const swagger = jest.requireActual<Record<string, unknown>>('@nestjs/swagger');
    const openapi = { apply: () => swagger, decorator: (make: (from: object) => unknown) => make(swagger) };
    return { ...swagger, openapi };
  });
  jest.doMock(RULES, () => {
    const packages = {
      ...jest.requireActual<object>('class-validator'),
      ...jest.requireActual<object>('class-transformer'),
    };
    const rules = { apply: () => packages, decorator: (make: (from: object) => unknown) => make(packages) };
    return { ...packages, rules };
  });
}
const bothLoaded = () => {
  jest.requireActual('@nestjs/swagger');
  jest.requireActual('class-validator');
};

/** Of all routes of the application. In preview mode Nest reads the modules and makes none of their providers. */
async function documented(): Promise<OpenAPIObject> {
  const { NestFactory } = await import('@nestjs/core');
  const { AppModule } = await import('../../../src/app.module.js');
  const { openApiDocument } = await import('../../../src/auth/http/index.js');
  const { createLogger } = await import('../../../src/logging.js');
  const { loadConfig } = await import('../../../src/config.js');
  const key = Buffer.alloc(32).toString('base64');
  const config = loadConfig({ NODE_ENV: 'test', ACCESS_TOKEN_KEYS: `k1:${key}`, REFRESH_TOKEN_KEYS: `0:${key}` });
  const module: DynamicModule = AppModule.forRoot(config, 'postgres://preview', createLogger('silent'));
  const app = await NestFactory.create(module, { preview: true, logger: false, abortOnError: false });
  return openApiDocument(app);
}

/** The rules that a body breaks, in the order in which an answer lists them. */
async function broken(): Promise<unknown[]> {
  const { bodyPipe, validationPipe } = await import('../../../src/auth/http/kit/validation.pipe.js');
  const { LoginDto } = await import('../../../src/auth/http/login.dto.js');
  const { FindAuditEventsDto } = await import('../../../src/audit/find-audit-events.dto.js');
  const { UpdateUserDto } = await import('../../../src/users/http/admin-users.dto.js');
  const answers: unknown[] = [];
  const refused = async (check: () => unknown) => {
    try {
      answers.push(await check());
    } catch (error) {
      answers.push((error as { getResponse(): unknown }).getResponse());
    }
  };
  const metadata = { type: 'body' } as const;
  await refused(() => bodyPipe(LoginDto).transform({ email: 1, deviceId: '\u0000'.repeat(200), extra: 1 }, metadata));
  await refused(() =>
    validationPipe().transform(
      { sessionId: 'x', limit: '1.5', from: 'now', type: 'none', cursor: 'c' },
      { type: 'query', metatype: FindAuditEventsDto },
    ),
  );
  await refused(() =>
    validationPipe().transform({ isActive: 1, roles: [1, 1] }, { type: 'body', metatype: UpdateUserDto }),
  );
  return answers;
}

/** Descriptions of the routes and of the bodies, in a process where neither has asked for the other before, and in one where it has. */
const documentFirst = async () => ({ document: await documented(), again: await documented(), rules: await broken() });
const rulesFirst = async () => ({ rules: await broken(), document: await documented() });

let expected: Awaited<ReturnType<typeof documentFirst>>;
let loadedAfter: typeof expected;
beforeAll(async () => {
  expected = await apart(nothingWaits, documentFirst);
  loadedAfter = await apart(() => undefined, documentFirst);
});

// Seen red with the notes of a class applied from the last to the first: properties and parameters change their order.
it.each([
  ['are loaded after our classes', () => Promise.resolve(loadedAfter)],
  ['are loaded before our classes', () => apart(bothLoaded, rulesFirst)],
])('the document, and the rules that an answer names, are the same when the packages %s', async (_, ask) => {
  expect(expected.document.paths).toMatchObject({
    '/auth/refresh': {},
    '/health/ready': {},
    '/admin/audit-events': {},
  });
  expect(expected.rules).toHaveLength(3);
  const { document, rules } = await ask();
  expect(JSON.stringify(document)).toBe(JSON.stringify(expected.document));
  expect(JSON.stringify(rules)).toBe(JSON.stringify(expected.rules));
});

it('a second application of the same process documents the routes once more', () => {
  const { document, again } = loadedAfter;
  expect(JSON.stringify(again)).toBe(JSON.stringify(document));
});
