/** The application's clock: for event times and queues. Expiry and order are the database's business. */
export abstract class Clock {
  abstract now(): Date;
}
