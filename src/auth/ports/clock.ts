/** The application's clock, for event times and queues. Expiry and order are decided on the database's clock. */
export abstract class Clock {
  /** The present moment. */
  abstract now(): Date;
}
