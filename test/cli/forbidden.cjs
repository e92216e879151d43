// Loaded before the command line: what a host does not install cannot be resolved, nor can what makes an application.
const Module = require('node:module');

const FORBIDDEN = /^(pino|prom-client|zod|@nestjs\/(terminus|typeorm|platform-.+))$/;
const OF_THE_APPLICATION = /\/dist\/(app\.module|bootstrap|logging|operations|audit|users\/(?!email))/;
const actual = Module._resolveFilename;

Module._resolveFilename = function (request, ...rest) {
  const path = FORBIDDEN.test(request) ? undefined : actual.call(this, request, ...rest);
  if (path !== undefined && !OF_THE_APPLICATION.test(path)) return path;
  throw Object.assign(new Error(`A host has no ${request}`), { code: 'MODULE_NOT_FOUND' });
};
