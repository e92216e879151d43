import { sentDuring } from '../../support/database/sent';

/** The texts of all statements that any connection of this process sends while `work` runs, except the guard's own poll. */
export const statementsOf = async (work: () => Promise<unknown>): Promise<string[]> =>
  (await sentDuring(work)).map(({ text }) => text).filter((text) => !text.includes('ratchet: revocation poll'));
