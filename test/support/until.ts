import { setTimeout as delay } from 'node:timers/promises';

/** Waits for what can only be asked for; Jest's own limit ends it. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await delay(5);
}
