import type { Abstract } from '@nestjs/common';
import type { TestApplication } from '../../support/app/test-application';

/**
 * Stands around a method of the application's own port: `around` decides when the real one is called and what becomes of
 * its answer. Returns what puts everything back.
 */
export function intercept<T extends object>(
  app: Pick<TestApplication, 'app'>,
  port: Abstract<T>,
  method: keyof T & string,
  around: (proceed: () => any, ...args: any[]) => unknown,
): () => void {
  const instance: any = app.app.get(port, { strict: false });
  const real = instance[method];
  instance[method] = (...args: unknown[]) => around(() => real.apply(instance, args), ...args);
  return () => {
    Reflect.deleteProperty(instance, method);
  };
}
