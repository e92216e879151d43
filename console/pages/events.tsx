import type { JSX } from 'preact';
import type { AuditEvent } from '../answers';
import { Agent, Badge, Empty, Said, Time } from '../parts';
import { to } from '../routing';
import { eventText, plainText, wordText } from '../texts';

const ALARMS = ['auth.token.reuse_detected.v1', 'auth.token.forgery_suspected.v1'];

const toneOf = ({ type, outcome }: Pick<AuditEvent, 'type' | 'outcome'>) =>
  ALARMS.includes(type) || outcome === 'failed' ? 'bad' : 'plain';

function detailsOf(details: AuditEvent['details']): string {
  return Object.entries(details)
    .map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ');
}

export function EventTable({ events }: { readonly events: readonly AuditEvent[] }): JSX.Element {
  if (events.length === 0) {
    return (
      <Empty>
        <p>Nothing is recorded.</p>
      </Empty>
    );
  }
  return (
    <table class="list events">
      <thead>
        <tr>
          <th scope="col">When</th>
          <th scope="col">What</th>
          <th scope="col">Where</th>
          <th scope="col">Whose</th>
          <th scope="col">Details</th>
        </tr>
      </thead>
      <tbody>
        {events.map((event) => (
          <tr key={event.id} class={toneOf(event)}>
            <td data-label="When" class="short">
              <Time at={event.occurredAt} />
            </td>
            <td data-label="What">
              {toneOf(event) === 'bad' ? (
                <Badge tone="bad">
                  <Said text={eventText(event.type)} />
                </Badge>
              ) : (
                <Said text={eventText(event.type)} />
              )}
              {event.reason !== null && (
                <span class="muted">
                  {' '}
                  <Said text={wordText(event.reason)} />
                </span>
              )}
            </td>
            <td data-label="Where">
              {event.ipAddress ?? ''} <Agent text={event.userAgent} />
            </td>
            <td data-label="Whose" class="short">
              {event.sessionId !== null && <a href={to('sessions', event.sessionId)}>session</a>}{' '}
              {event.userId !== null && <a href={to('users', event.userId)}>user</a>}
            </td>
            <td data-label="Details">
              {detailsOf(event.details) !== '' && (
                <div class="details" title={plainText(detailsOf(event.details))}>
                  <Said text={detailsOf(event.details)} />
                </div>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
