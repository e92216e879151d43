import fc from 'fast-check';
import { isIP } from 'node:net';
import { validate, version } from 'uuid';
import { Attempt } from '../../src/auth/application/attempt';
import type { Client } from '../../src/auth/domain/session';

const START = new Date('2025-11-20T12:00:00.123Z');
const attempt = (client: Client = {}) => new Attempt(client, START);
const timeOf = (id: string) => parseInt(id.replaceAll('-', '').slice(0, 12), 16);

describe('the events of an attempt', () => {
  it('are in order by their ids: the beginning, the findings as they were made, the ending', () => {
    for (let i = 0; i < 200; i++) {
      const one = attempt();
      // The ending first: its id must not depend on what was found before it.
      const ending = one.ending({}).eventId;
      const ids = [one.beginning({}), ...Array.from({ length: 20 }, () => one.finding({}))].map(
        (event) => event.eventId,
      );
      ids.push(ending);
      expect([...ids].sort()).toEqual(ids);
      expect(new Set(ids).size).toBe(22);
    }
  });

  it('have ids of version 7 that carry the attempt’s millisecond', () => {
    const one = attempt();
    for (const { eventId } of [one.beginning({}), one.finding({}), one.ending({})]) {
      expect([validate(eventId), version(eventId), timeOf(eventId)]).toEqual([true, 7, START.getTime()]);
    }
    expect(timeOf(one.id)).toBe(START.getTime());
  });

  // Seen red with a fresh id for each ending.
  it('have one ending: whatever it is, its id and its time are the same', () => {
    const one = attempt();
    const first = one.ending({ userId: 'a' });
    one.finding({});
    const second = one.ending({ userId: 'b' });
    expect([second.eventId, second.occurredAt]).toEqual([first.eventId, first.occurredAt]);
  });

  it('share the attempt’s id, time and client, and no other attempt’s id, not even of the same millisecond', () => {
    const ids = new Set<string>();
    for (let i = 0; i < 100; i++) {
      const one = attempt({ ip: '192.0.2.1', userAgent: 'agent' });
      for (const event of [one.beginning({}), one.finding({}), one.ending({})]) {
        expect(event).toMatchObject({
          attemptId: one.id,
          occurredAt: START,
          ipAddress: '192.0.2.1',
          userAgent: 'agent',
        });
        ids.add(event.eventId);
      }
    }
    expect(ids.size).toBe(300);
  });

  it('tell whom they are about, and null where that is not known', () => {
    const one = attempt();
    expect(one.beginning({})).toMatchObject({ userId: null, sessionId: null, generation: null });
    const subject = { userId: 'u', sessionId: 's', generation: 0 };
    expect(one.ending(subject)).toMatchObject(subject);
  });
});

describe('how long an attempt took', () => {
  it('is counted in seconds from its start', () => {
    expect(attempt().secondsUntil(new Date(START.getTime() + 1_500))).toBe(1.5);
  });
});

describe('the client of an attempt', () => {
  it.each<[string, string | undefined, string | null]>([
    ['an IPv4 address', '192.0.2.1', '192.0.2.1'],
    ['an IPv6 address', '2001:db8::1', '2001:db8::1'],
    ['an address with a zone', 'fe80::1%eth0', 'fe80::1'],
    ['an IPv4 address as a dual-stack socket gives it', '::ffff:192.0.2.1', '192.0.2.1'],
    ['the same in capitals', '::FFFF:192.0.2.1', '192.0.2.1'],
    ['an address with the port that a proxy appends', '192.0.2.1:443', '192.0.2.1'],
    ['an IPv6 address with a port', '[2001:db8::1]:443', '2001:db8::1'],
    ['an IPv6 address in brackets', '[2001:db8::1]', '2001:db8::1'],
    ['an IPv4 address of a dual-stack socket with a port', '[::ffff:192.0.2.1]:443', '192.0.2.1'],
    ['an IPv4 address with two ports', '192.0.2.1:443:443', null],
    ['a port alone', ':443', null],
    ['brackets with nothing in them', '[]:443', null],
    ['a network', '192.0.2.0/24', null],
    ['a name', 'localhost', null],
    ['a list', '192.0.2.1, 192.0.2.2', null],
    ['a number too large', '192.0.2.256', null],
    ['nothing', '', null],
    ['no address at all', undefined, null],
  ])('has an address that a database can store, or none: %s', (_what, ip, expected) => {
    expect(attempt({ ip }).client.ipAddress).toBe(expected);
  });

  it.each<[string, string | undefined, string | null]>([
    ['by its address', '192.0.2.1:443', '192.0.2.1'],
    ['by its /64 where it has one', '[2001:db8:0:1::7]:443', '2001:db8:0:1'],
    ['together with all others whose address cannot be read', 'unix:', 'unreadable'],
    ['together with them when it is empty', '', 'unreadable'],
    ['not at all where there is no request', undefined, null],
  ])('is limited %s', (_how, ip, expected) => {
    expect(attempt({ ip }).network).toBe(expected);
  });

  it('has an address whatever was sent', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6()), (ip) => {
        const { ipAddress } = attempt({ ip }).client;
        expect(ipAddress === null || isIP(ipAddress) !== 0).toBe(true);
      }),
    );
  });

  it.each<[string, string | undefined, string]>([
    ['one that sent none', undefined, 'Unknown'],
    ['one that sent an empty one', '', 'Unknown'],
    ['one that sent control characters only', '\0\r\n\t\x7f', 'Unknown'],
    ['one that tries to write a log line', 'a\r\nb\0c\x1b[31m', 'abc[31m'],
    ['one in half a character', 'x\ud800y', 'x\ufffdy'],
    ['one cut in the middle of a character', 'x'.repeat(511) + '🗝', `${'x'.repeat(511)}\ufffd`],
    ['a long one', 'x'.repeat(10_000), 'x'.repeat(512)],
  ])('has a user agent that a log can hold: %s', (_what, userAgent, expected) => {
    expect(attempt({ userAgent }).client.userAgent).toBe(expected);
  });

  it('never has a text that PostgreSQL refuses', () => {
    const text = fc.string({ unit: 'binary', maxLength: 2_000 });
    fc.assert(
      fc.property(text, text, text, (userAgent, deviceId, deviceName) => {
        const { client } = attempt({ userAgent, deviceId, deviceName });
        for (const kept of [client.userAgent, client.deviceId ?? '', client.deviceName ?? '']) {
          // eslint-disable-next-line no-control-regex -- these are what must not be there
          expect(kept).not.toMatch(/[\u0000-\u001f\u007f]/);
          expect(kept.isWellFormed()).toBe(true);
          expect(kept.length).toBeLessThanOrEqual(512);
        }
      }),
    );
  });

  it('has no device where none was sent', () => {
    expect(attempt().client).toMatchObject({ deviceId: null, deviceName: null });
    expect(attempt({ deviceId: '', deviceName: '\n' }).client).toMatchObject({ deviceId: null, deviceName: null });
    // A name that is shown must not turn the text after it.
    expect(attempt({ deviceName: 'photo\u202Egnp.exe' }).client.deviceName).toBe('photognp.exe');
    expect(attempt({ deviceId: 'd', deviceName: 'My phone' }).client).toMatchObject({
      deviceId: 'd',
      deviceName: 'My phone',
    });
  });
});
