import { installLine, loaded, missingIn } from '../../src/support/packages';

/** As Node throws it. */
const notFound = (name: string) =>
  Object.assign(new Error(`Cannot find module '${name}'\nRequire stack:\n- /host/node_modules/bcrypt/bcrypt.js`), {
    code: 'MODULE_NOT_FOUND',
  });
const failing = (error: Error) => () => {
  throw error;
};

describe('a package that a host may lack', () => {
  it('is named with what needs it, and with the line that installs it', () => {
    expect(() => loaded('the option `redis`', failing(notFound('redis')))).toThrow(
      'nest-ratchet: the option `redis` needs redis, which is not installed: npm install redis@5',
    );
  });

  it('is not taken for missing when something of its own is, or when it breaks', () => {
    const inside = notFound('node-gyp-build');
    expect(missingIn(inside)).toBeUndefined();
    expect(() => loaded('a password', failing(inside))).toThrow(inside);
    expect(missingIn(new Error("Cannot find module 'bcrypt'"))).toBeUndefined();
  });

  it('is installed in the version of the Nest that is there', () => {
    expect(installLine(['@nestjs/event-emitter', 'typeorm'])).toBe('npm install @nestjs/event-emitter@12 typeorm@1');
  });
});
