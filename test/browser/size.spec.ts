import { buildClients } from './build';

describe('the built clients', () => {
  const { scripts, types, sizes } = buildClients();

  // The command itself fails beyond the limit.
  it('are 3 KB each at most, and the element 6 KB, minified and gzipped', () => {
    expect(sizes).toMatch(
      /^nest-ratchet\/client +\d+ of 3072 bytes.*\nnest-ratchet\/browser +\d+ of 3072 bytes.*\nnest-ratchet\/browser\/devices +\d+ of 6144 bytes.*\nbound sessions also load \d+ bytes\n$/,
    );
  });

  it('import nothing except each other', () => {
    const imported = [...scripts.values(), ...types.values()].flatMap((text) =>
      [...text.matchAll(/\bfrom ?["']([^"']+)["']|\bimport ?\(?["']([^"']+)["']|\brequire\b/g)].map(
        ([all, from, alone]) => from ?? alone ?? all,
      ),
    );
    expect([...new Set(imported)].sort()).toEqual([
      ...['../client/index.mjs', './answer.mjs', './device-key.mjs', './proofs.mjs', './session.mjs'],
    ]);
  });

  it('explain themselves to an editor', () => {
    expect(types.get('/client/index.d.mts')).toContain(
      'export declare function createSession(options: SessionOptions): Session;',
    );
    expect(types.get('/client/index.d.mts')).toContain('Idempotency-Key');
    expect(types.get('/client/session.d.mts')).toContain('@throws Unavailable');
    expect(types.get('/browser/index.d.mts')).toContain('By default an item of `localStorage`.');
  });
});
