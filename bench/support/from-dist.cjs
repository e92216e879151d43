// For the benchmark's own servers, beside @swc-node/register: what they import from src comes from the built dist, so that
// the code which ships is the code which is measured.
const Module = require('node:module');
const { dirname, join, sep } = require('node:path');

const root = join(dirname(module.filename), '..', '..');
const src = join(root, 'src') + sep;
const resolve = Module._resolveFilename;

Module._resolveFilename = function (...asked) {
  const file = resolve.apply(this, asked);
  return file.startsWith(src) ? join(root, 'dist', file.slice(src.length).replace(/\.ts$/, '.js')) : file;
};
