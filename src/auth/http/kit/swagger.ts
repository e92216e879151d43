import type { INestApplication } from '@nestjs/common';
import type { OpenAPIObject } from '@nestjs/swagger';
import { openapi } from './openapi';
import { RESOURCE_SERVER } from './resource-server-credentials';

/** The product tour: what the page shows first, in this order. */
const TOUR = ['/auth/register', '/auth/login', '/auth/refresh', '/auth/logout', '/auth/me'];

const METHODS = ['get', 'post', 'patch', 'delete', 'put'] as const;

/** The OpenAPI document of an application's routes. */
export function openApiDocument(app: INestApplication): OpenAPIObject {
  const { DocumentBuilder, SwaggerModule } = openapi.apply();
  const config = new DocumentBuilder()
    .setTitle('Ratchet')
    .setDescription('Refresh-token rotation and session security')
    .setVersion('1')
    .setLicense('MIT', 'https://opensource.org/license/mit')
    // Relative: wherever the document was read from.
    .addServer('/')
    .addBasicAuth({ type: 'http', scheme: 'basic' }, RESOURCE_SERVER)
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT' })
    .build();
  // Generated clients have a function of each name.
  const document = SwaggerModule.createDocument(app, config, { operationIdFactory: (_, method) => method });
  for (const path of Object.values(document.paths))
    // Without a word on it, a reader could not tell a public operation from one whose security was forgotten.
    for (const method of METHODS) if (path[method]) path[method].security ??= [];
  const rank = (path: string) => (TOUR.includes(path) ? TOUR.indexOf(path) : TOUR.length);
  const paths = Object.entries(document.paths).sort(([one], [other]) => rank(one) - rank(other));
  return { ...document, paths: Object.fromEntries(paths) };
}

/** Serves Swagger UI at `/docs` and the document at `/docs-json`; before `init()`. The document is built at the first request for it. */
export function setupSwagger(app: INestApplication): void {
  // A page requires the headers that keep frames and foreign scripts out, except two: `upgrade-insecure-requests` breaks
  // it over plain http, and only the server that terminates TLS can promise HSTS.
  app.useSecurityHeaders({
    contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } },
    strictTransportSecurity: false,
  });
  openapi.apply().SwaggerModule.setup('docs', app, () => openApiDocument(app), {
    raw: ['json'],
    swaggerOptions: { persistAuthorization: true, tryItOutEnabled: true },
  });
}
