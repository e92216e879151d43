import { Seal } from '../../src/auth/domain/seal';

describe('What is sealed', () => {
  const seal = new Seal<readonly [text: string]>('x_', 'some purpose', [{ id: 0, root: Buffer.alloc(32, 1) }]);

  it('opens to what it was', () => {
    expect(seal.open(seal.seal(['Zoë']))).toEqual(['Zoë']);
  });

  it('is nothing without a key id, an envelope or the prefix', () => {
    const mac = Buffer.alloc(32).toString('base64url');
    for (const text of ['', 'x_', `x_${mac}`, `x_A${mac}`, seal.seal(['Zoë']).slice(2)])
      expect(seal.open(text)).toBeNull();
  });

  it('takes a key', () => {
    expect(() => new Seal('x_', 'some purpose', [])).toThrow('At least one refresh-token key is needed');
  });
});
