import { randomInt } from 'node:crypto';
import { isIP, isIPv4 } from 'node:net';
import { v7 as uuidv7 } from 'uuid';
import type { EventContext } from '../domain/events';
import { plainTextOf } from '../domain/input-rules';
import { networkOf, unmapped } from '../domain/network';
import { randomBytesInBulk } from '../domain/random';
import { traceIdOf } from '../../support/trace-context';
import type { Client } from '../domain/session';

/** The user, session and generation of an event, as far as they are known. */
export interface Subject {
  readonly userId?: string | null;
  readonly sessionId?: string | null;
  readonly generation?: number | null;
}

const MAX_EVENTS = 128;
const BEGINNING = 0;
const ENDING = MAX_EVENTS - 1;
const MAX_TEXT = 512;

/**
 * One attempt at something: all its events share its id, its time and its client.
 *
 * Event ids are UUIDv7 of the attempt's millisecond and in order, and *every* ending of one attempt has the same id and
 * time. So the event log's primary key holds "one attempt, one ending": when the answer to a commit is lost and a fault is
 * recorded, only one of the two endings can be stored, and the change commits only with its own.
 * @internal
 */
export class Attempt {
  readonly id: string;
  readonly client: { ipAddress: string | null; userAgent: string; deviceId: string | null; deviceName: string | null };
  private readonly firstSequence = randomInt(2 ** 32 / MAX_EVENTS) * MAX_EVENTS;
  private readonly random = randomBytesInBulk(16);
  private readonly hasAddress: boolean;
  private readonly trace: Pick<EventContext, 'traceId'>;
  private findings = 0;

  constructor(
    client: Client,
    private readonly startedAt: Date,
  ) {
    this.id = this.eventId(BEGINNING);
    this.hasAddress = client.ip !== undefined;
    const traceId = traceIdOf(client.traceId);
    this.trace = traceId === undefined ? {} : { traceId };
    this.client = {
      ipAddress: ipOf(client.ip),
      userAgent: textOf(client.userAgent) ?? 'Unknown',
      deviceId: textOf(client.deviceId),
      deviceName: textOf(client.deviceName),
    };
  }

  /** The key by which limits count the attempt; null for a caller without a request. All unreadable addresses share one key. */
  get network(): string | null {
    const { ipAddress } = this.client;
    if (ipAddress !== null) return networkOf(ipAddress);
    return this.hasAddress ? 'unreadable' : null;
  }

  /** The context of the event that records the attempt. */
  beginning(subject: Subject): EventContext {
    return this.context(this.id, subject);
  }

  /** The context of an event between the attempt and its ending; each call has its own id. */
  finding(subject: Subject): EventContext {
    const place = BEGINNING + ++this.findings;
    // A bulk change may have more events than there are places between the beginning and the ending.
    const eventId = place < ENDING ? this.eventId(place) : uuidv7({ msecs: this.startedAt.getTime() });
    return this.context(eventId, subject);
  }

  /** The context of the ending, whatever it is. */
  ending(subject: Subject): EventContext {
    return this.context(this.eventId(ENDING), subject);
  }

  /** How long the attempt has taken. */
  secondsUntil(now: Date): number {
    return (now.getTime() - this.startedAt.getTime()) / 1000;
  }

  private context(eventId: string, { userId = null, sessionId = null, generation = null }: Subject): EventContext {
    const { ipAddress, userAgent } = this.client;
    return {
      eventId,
      occurredAt: this.startedAt,
      attemptId: this.id,
      userId,
      sessionId,
      generation,
      ipAddress,
      userAgent,
      ...this.trace,
    };
  }

  private eventId(place: number): string {
    return uuidv7({ msecs: this.startedAt.getTime(), seq: this.firstSequence + place, random: this.random });
  }
}

/**
 * The address without its zone and the port that some proxies append, or null if it is not an address: a bad one must not
 * prevent the record.
 */
function ipOf(ip: string | undefined): string | null {
  if (ip === undefined || isIPv4(ip)) return ip ?? null;
  const address = ip.replace(/^\[(.*)\](:\d+)?$|^([\d.]+):\d+$/s, '$1$3').replace(/%.*$/s, '');
  return isIP(address) === 0 ? null : unmapped(address);
}

function textOf(text: string | undefined): string | null {
  if (text === undefined) return null;
  const printable = plainTextOf(text).slice(0, MAX_TEXT).toWellFormed();
  return printable === '' ? null : printable;
}
