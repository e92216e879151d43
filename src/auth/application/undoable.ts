import type { UnitOfWork } from '../ports/unit-of-work';

/**
 * Runs `work` as a unit of work; an answer that it gives to `undo` is no fault, and yet undoes all of it. So a change of the
 * host's users can come last: what it refuses has happened nowhere. Within another unit of work nothing is undone before
 * that one is.
 */
export async function undoable<Done, Undone>(
  unitOfWork: UnitOfWork,
  work: (undo: (answer: Undone) => never) => Promise<Done>,
): Promise<Done | Undone> {
  class Undoing extends Error {
    constructor(readonly answer: Undone) {
      super('The unit of work is undone');
    }
  }
  const undo = (answer: Undone): never => {
    throw new Undoing(answer);
  };
  try {
    return await unitOfWork.run(() => work(undo));
  } catch (error) {
    if (error instanceof Undoing) return error.answer as Undone;
    throw error;
  }
}
