import { gzipSync } from 'node:zlib';
import { buildBrowserHelper } from './build';

describe('the built browser helper', () => {
  const { script, types } = buildBrowserHelper();

  it('is less than 2 KB, minified and gzipped', () => {
    expect(gzipSync(script, { level: 9 }).length).toBeLessThan(2048);
  });

  it('imports nothing', () => {
    expect(script).not.toMatch(/\bimport\b|\brequire\b/);
    expect(types).not.toMatch(/\bimport\b/);
  });

  it('explains itself to an editor', () => {
    expect(types).toContain('export declare function createSession(options: SessionOptions): Session;');
    expect(types).toContain('Idempotency-Key');
  });
});
