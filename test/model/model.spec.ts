import { inMemoryDriver } from './in-memory.driver';
import { expectModelToHold } from './model';

// Seen red with many planted defects (scripts/planted-defects.mjs), among them: a drained session that is laundered, an
// access token of a replay stamped with the floors, an absent key that equals an absent one, the window open in a keyed
// session, expiry before reuse, a revocation undone by its refusal, an attempt that ends twice, a guard without the policy
// row, a log-out of one token only.
it('whatever clients, thieves and administrators do in whatever order, every answer is the one of the book', async () => {
  await expectModelToHold(inMemoryDriver, { numRuns: 500 }, 40);
});
