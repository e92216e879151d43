import fc from 'fast-check';

/** One request as it goes over the wire. */
export interface FuzzRequest {
  readonly method: string;
  /** As it is documented; null for a path that is none. */
  readonly route: string | null;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** Whose bearer token goes with it, or the secret of a service, filled in when it is sent. */
  readonly bearer: 'none' | 'user' | 'admin' | 'refresh' | 'junk' | 'service';
}

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

export interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

interface Operation {
  readonly parameters?: readonly { readonly in: string; readonly name: string; readonly schema: Schema }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<Record<string, unknown>>;
  readonly security?: readonly Readonly<Record<string, unknown>>[];
}

const FORM = 'application/x-www-form-urlencoded';

/** Values by the name of a field or parameter that mean something to the application; `{name}` is filled in when sent. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  email: ['{email}', '{newEmail}'],
  password: ['{password}', 'another long passphrase'],
  currentPassword: ['not the current one'],
  newPassword: ['a quite new passphrase', 'password'],
  refreshToken: ['{refreshToken}', '{olderToken}', `rt1_${'A'.repeat(92)}`],
  refresh_token: ['{refreshToken}', '{olderToken}', `rt1_${'A'.repeat(92)}`],
  token: ['{user}', '{refreshToken}', '{olderToken}', 'junk'],
  token_type_hint: ['refresh_token', 'access_token'],
  client_id: ['app'],
  id: ['{userId}', '{sessionId}', '00000000-0000-7000-8000-000000000000'],
  userId: ['{userId}'],
  sessionId: ['{sessionId}'],
  except: ['current'],
  after: ['1.1.0.1', '1.1.0.1.2-2'],
  wait: ['0'],
  role: ['user', 'editor'],
  cursor: [Buffer.from('1769860800123456.00000000-0000-7000-8000-000000000000').toString('base64url')],
  from: ['2026-01-01T00:00:00.000Z'],
  to: ['2100-01-01T00:00:00Z'],
  outcome: ['succeeded', 'failed', 'attempted'],
  roles: ['user', 'admin'],
  'Idempotency-Key': ['A'.repeat(22), '{retryKey}'],
};

/** Goes into a query as it is: what is filled in needs no escaping, and any other text does. */
const PLACEHOLDER = /^\{\w+\}$/;

const nastyText = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '\0',
    'a\0b',
    '__proto__',
    'constructor',
    'null',
    'undefined',
    'NaN',
    '-0',
    '1e309',
    "'; DROP TABLE users; --",
    "' OR '1'='1",
    '#{7*7}',
    '{{7*7}}',
    '../../../etc/passwd',
    '%2e%2e%2f',
    '%00',
    '\ud800',
    '\u202e\u200b',
    'ﬁ①Ａ',
    '🧨'.repeat(40),
    'a'.repeat(129),
    'x'.repeat(5000),
    '0'.repeat(400),
    '2026-02-30T25:61:61Z',
    '+275760-09-14T00:00:00.000Z',
    '9007199254740993',
    'eyJhbGciOiJub25lIn0.e30.',
    `rt1_${'A'.repeat(92)}`,
    '00000000-0000-0000-0000-000000000000',
  ),
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
);
const nastyValue: fc.Arbitrary<unknown> = fc.oneof(
  nastyText,
  fc.constantFrom(null, true, false, 0, -1, 1.5, 2 ** 31, 2 ** 53, 1e308, [], {}, [[]], [null], { toString: 1 }),
  fc.constantFrom({ $gt: '' }, { length: 10 }, { constructor: { prototype: { admin: true } } }),
  fc.integer(),
  fc.jsonValue({ maxDepth: 2 }),
);

/** A request of the document: mostly as it should be, with something wrong in it now and then. */
export function requestsOf(document: OpenApi): fc.Arbitrary<FuzzRequest> {
  const resolve = (schema: Schema): Schema => {
    const name = schema.$ref?.split('/').at(-1);
    return name === undefined ? schema : document.components.schemas[name]!;
  };

  const validOf = (name: string, given: Schema): fc.Arbitrary<unknown> => {
    const schema = resolve(given);
    if (schema.type === 'array') return fc.array(validOf(name, schema.items ?? {}), { maxLength: 3 });
    if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
    if (KNOWN[name] !== undefined) return fc.constantFrom(...KNOWN[name]);
    if (schema.type === 'boolean') return fc.boolean();
    if (schema.type === 'number' || schema.type === 'integer') {
      const min = schema.minimum ?? 0;
      return fc.oneof(
        fc.integer({ min, max: schema.maximum ?? 1000 }),
        fc.constantFrom(min, min - 1, schema.maximum ?? 0),
      );
    }
    if (schema.properties !== undefined) return objectOf(schema);
    return fc.oneof(fc.string({ maxLength: schema.maxLength ?? 30 }), fc.constant('some text'));
  };

  const objectOf = ({ properties = {}, required = [] }: Schema): fc.Arbitrary<Record<string, unknown>> => {
    const fields = Object.entries(properties).map(([name, schema]) => {
      const value = fc.oneof(
        { weight: 14, arbitrary: validOf(name, schema) },
        { weight: 1, arbitrary: nastyValue },
        { weight: 1, arbitrary: fc.constantFrom('a\0b', 'a\ud800b', '\u001b[31m') },
      );
      return [name, value] as const;
    });
    return fc.record(Object.fromEntries(fields), { requiredKeys: required.filter((name) => name in properties) });
  };

  const bodyOf = (schema: Schema): fc.Arbitrary<string | undefined> => {
    const valid = objectOf(resolve(schema));
    const json = (value: unknown): string => JSON.stringify(value);
    return fc.oneof(
      { weight: 12, arbitrary: valid.map(json) },
      {
        weight: 2,
        arbitrary: fc
          .tuple(valid, nastyText, nastyValue)
          .map(([body, name, value]) => json({ ...body, [name]: value })),
      },
      {
        weight: 1,
        arbitrary: valid.map((body) => json(body).replace(/^\{/, '{"__proto__":{"isActive":true,"roles":["admin"]},')),
      },
      { weight: 1, arbitrary: nastyValue.map(json) },
      { weight: 1, arbitrary: fc.tuple(valid, fc.nat(40)).map(([body, end]) => json(body).slice(0, end)) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          undefined,
          '',
          '{',
          '{"a":',
          '[]]',
          '{"email":"a","email":{}}',
          '\ufeff{}',
          'email=a&password=b',
          '<xml/>',
          '{"reason":"\\ud800"}',
          '['.repeat(8000),
          `{"refreshToken":"${'x'.repeat(17_000)}"}`,
          `{"reason":"${'y'.repeat(400_000)}"}`,
        ),
      },
    );
  };

  const pair = (name: string, value: unknown): string => {
    // Not `String()`: an object may have no `toString` that works.
    const text = typeof value === 'string' ? value : JSON.stringify(value ?? null);
    return `${name}=${PLACEHOLDER.test(text) ? text : encodeURIComponent(text.toWellFormed())}`;
  };

  const formOf = (schema: Schema): fc.Arbitrary<string | undefined> => {
    const valid = objectOf(resolve(schema)).map((fields) =>
      Object.entries(fields).map(([name, value]) => pair(name, value)),
    );
    return fc.oneof(
      { weight: 12, arbitrary: valid.map((pairs) => pairs.join('&')) },
      { weight: 1, arbitrary: valid.map((pairs) => [...pairs, ...pairs].join('&')) },
      { weight: 1, arbitrary: fc.tuple(valid, nastyText).map(([pairs, text]) => `${pairs.join('&')}&${text}`) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          undefined,
          '',
          '&',
          '=',
          '%',
          '%zz=%',
          'a=%ff',
          '__proto__=1',
          '{}',
          'a'.repeat(17_000),
        ),
      },
    );
  };

  const contentTypeLike = (usual: string): fc.Arbitrary<string | undefined> =>
    fc.oneof(
      { weight: 14, arbitrary: fc.constant(usual) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          undefined,
          '',
          'application/json',
          'application/json; charset=utf-8',
          'application/json; charset=utf-16',
          'application/json;',
          'APPLICATION/JSON',
          'application/json\t',
          'application/problem+json',
          FORM,
          `${FORM}; charset=utf-16`,
          'multipart/form-data',
          'multipart/form-data; boundary=x',
          'text/plain',
          'a',
          '/',
          'application/json, text/plain',
        ),
      },
    );

  const headersFor = (operation: Operation): fc.Arbitrary<Record<string, string>> => {
    const token = fc.constantFrom('{refreshToken}', '{olderToken}', 'junk', '', 'a=b; __Host-refresh=c', '%%%', '"');
    const inHeader = (value: string) => value.replace(/[^\x20-\x7e]/g, '?').slice(0, 6000);
    const values: Record<string, fc.Arbitrary<string>> = {
      Cookie: token.map((value) => `__Host-refresh=${value}; refresh=${value}`),
      Origin: fc.constantFrom('http://127.0.0.1', 'null', 'https://evil.example', '*', 'x'),
      'Sec-Fetch-Site': fc.constantFrom('same-origin', 'cross-site', ''),
      'User-Agent': nastyText.map(inHeader),
      'X-Forwarded-For': fc.constantFrom('1.2.3.4', '::1', 'x', '1.2.3.4, 5.6.7.8', '%'),
      Accept: fc.constantFrom('*/*', 'text/html', 'x/y;q=z', ''),
      'Accept-Encoding': fc.constantFrom('gzip', 'br;q=9', ''),
      'Content-Encoding': fc.constantFrom('gzip', 'identity', 'x'),
      'X-HTTP-Method-Override': fc.constant('DELETE'),
    };
    for (const { in: place, name } of operation.parameters ?? []) {
      if (place === 'header')
        values[name] = fc.oneof(fc.constantFrom(...(KNOWN[name] ?? ['x'])), nastyText.map(inHeader));
    }
    const header = fc.oneof(...Object.entries(values).map(([name, value]) => fc.tuple(fc.constant(name), value)));
    return fc.array(header, { maxLength: 2 }).map((pairs) => Object.fromEntries(pairs));
  };

  /** As a client writes it, or one that does not escape, or one that escapes twice. */
  const inPath = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...KNOWN['id']!) },
    { weight: 1, arbitrary: nastyText.map((text) => encodeURIComponent(text.toWellFormed())) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('%', '%zz', '%00', '%c0%af', '..', '.', '%2e%2e', '%2F', '//', ';a=b', 'a%0d%0ab'),
    },
  );

  const parametersIn = (operation: Operation): fc.Arbitrary<string> => {
    const inQuery = (operation.parameters ?? []).filter((parameter) => parameter.in === 'query');
    const one = fc.oneof(
      ...inQuery.map(({ name, schema }) =>
        fc
          .oneof({ weight: 3, arbitrary: validOf(name, schema) }, { weight: 1, arbitrary: nastyText })
          .map((value) => pair(name, value)),
      ),
      fc.constantFrom(
        'a=b',
        '__proto__=1',
        '__proto__[x]=1',
        'limit[]=1',
        'limit=1&limit=2',
        '%',
        '=',
        '&&',
        'cursor=%00',
      ),
    );
    const weight = inQuery.length > 0 ? 6 : 1;
    return fc.oneof(
      { weight: 5, arbitrary: fc.constant('') },
      { weight, arbitrary: fc.array(one, { minLength: 1, maxLength: 3 }).map((all) => `?${all.join('&')}`) },
    );
  };

  const bearer = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom<FuzzRequest['bearer']>('admin', 'user') },
    { weight: 1, arbitrary: fc.constantFrom<FuzzRequest['bearer']>('none', 'refresh', 'junk') },
  );

  const documented = Object.entries(document.paths).flatMap(([route, operations]) =>
    Object.entries(operations).map(([method, operation]) => {
      const [body] = Object.entries(operation.requestBody?.content ?? {});
      const [mediaType, content] = body ?? ['application/json'];
      const isOfService = operation.security?.some((scheme) => 'resource_server' in scheme) === true;
      const unasked = fc.oneof(
        { weight: 8, arbitrary: fc.constant(undefined) },
        { weight: 1, arbitrary: nastyValue.map((value) => JSON.stringify(value)) },
      );
      return fc
        .record({
          id: route.includes('{id}') ? inPath : fc.constant(''),
          query: parametersIn(operation),
          headers: headersFor(operation),
          type: contentTypeLike(mediaType),
          body: content === undefined ? unasked : mediaType === FORM ? formOf(content.schema) : bodyOf(content.schema),
          bearer: isOfService ? fc.oneof({ weight: 6, arbitrary: fc.constant('service' as const) }, bearer) : bearer,
        })
        .map(({ id, query, headers, type, body, bearer: whose }): FuzzRequest => ({
          method: method.toUpperCase(),
          route: !route.includes('{id}') || /^[\w{}-]{1,100}$/.test(id) ? route : null,
          target: route.replace('{id}', id) + query,
          headers: { ...headers, ...(body !== undefined && type !== undefined && { 'Content-Type': type }) },
          body,
          bearer: whose,
        }));
    }),
  );

  const elsewhere = fc
    .record({
      method: fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD', 'TRACE', 'PROPFIND'),
      target: fc.oneof(
        fc.constantFrom(...Object.keys(document.paths).map((path) => path.replace('{id}', '{userId}'))),
        fc.constantFrom(
          '/',
          '//',
          '/%61uth/me',
          '/auth%2Fme',
          '/AUTH/ME',
          '/auth/me/',
          '/auth//me',
          '/auth/../admin/security',
          '/docs',
          '/*',
          '/%',
          '/%c0',
          '/auth/me;x=y',
          '/auth/me%00',
          '/.env',
          '/admin/security%20',
        ),
        nastyText.map((text) => `/${encodeURIComponent(text.toWellFormed())}`),
      ),
      bearer,
      body: fc.constantFrom(undefined, '{}', '{'),
    })
    .map(({ method, target, bearer: whose, body }): FuzzRequest => ({
      method,
      route: null,
      target,
      headers: body === undefined ? {} : { 'Content-Type': 'application/json' },
      body,
      bearer: whose,
    }));

  return fc.oneof({ weight: 12, arbitrary: fc.oneof(...documented) }, { weight: 1, arbitrary: elsewhere });
}
