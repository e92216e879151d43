import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { call, get, withQuery } from '../api';
import type { ActingToken, AuditEvent, FoundUsers, ListedSession, Page, User } from '../answers';
import { Action, Agent, Badge, Empty, Field, Notice, Pager, Said, Show, Time, useLoad } from '../parts';
import { to } from '../routing';
import { clockText, counted, spanText } from '../texts';
import { EventTable } from './events';

const ROWS = 50;
/** `LIMIT_LIST_PER_USER` bounds how often an administrator may ask. */
const MOST_PAGES = 20;

async function userOf(id: string, signal: AbortSignal): Promise<User | null> {
  const { items } = await get<FoundUsers>(withQuery('admin/users', { query: id, limit: '1' }), signal).catch(
    (): FoundUsers => ({ items: [], hasMore: false }),
  );
  return items.find((user) => user.id === id) ?? null;
}

const pathOf = (id: string): string => `admin/users/${encodeURIComponent(id)}`;

async function endOthers(userId: string, kept: string): Promise<number> {
  let ended = 0;
  let cursor: string | null = null;
  for (let page = 0; page < MOST_PAGES; page++) {
    const { items, nextCursor }: Page<ListedSession> = await get(withQuery(`${pathOf(userId)}/sessions`, { cursor }));
    for (const { id } of items) {
      if (id === kept) continue;
      await call('DELETE', `admin/sessions/${id}`);
      ended++;
    }
    if (nextCursor === null) break;
    cursor = nextCursor;
  }
  return ended;
}

function Sessions({ id }: { readonly id: string }): JSX.Element {
  const [cursors, setCursors] = useState<readonly string[]>([]);
  const cursor = cursors.at(-1) ?? null;
  const sessions = useLoad(
    (signal) => get<Page<ListedSession>>(withQuery(`${pathOf(id)}/sessions`, { cursor, limit: String(ROWS) }), signal),
    [id, cursor],
  );
  const endAll = async (): Promise<string> => {
    const { revokedSessions } = await call<{ revokedSessions: number }>('DELETE', `${pathOf(id)}/sessions`);
    return `${counted(revokedSessions, 'session')} ended.`;
  };
  return (
    <section>
      <h2>Live sessions</h2>
      <div class="row">
        <Pager
          cursors={cursors}
          next={sessions.data?.nextCursor}
          go={setCursors}
          words={['Previous page', 'Next page']}
        />
      </div>
      <Show of={sessions}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty>
              <p>No session can be refreshed.</p>
            </Empty>
          ) : (
            <>
              <table class="list">
                <thead>
                  <tr>
                    <th scope="col">Device</th>
                    <th scope="col">Opened</th>
                    <th scope="col">Last used</th>
                    <th scope="col">Refreshes</th>
                    <th scope="col">Actions</th>
                  </tr>
                </thead>
                <tbody>
                  {items.map((one) => (
                    <tr key={one.id}>
                      <td>
                        <a href={to('sessions', one.id)}>
                          {one.deviceName === null ? <Agent text={one.userAgent} /> : <Said text={one.deviceName} />}
                        </a>
                      </td>
                      <td data-label="Opened">
                        <Time at={one.createdAt} /> <span class="muted">{one.ipAddress ?? 'unknown address'}</span>
                      </td>
                      <td data-label="Last used">
                        <Time at={one.lastUsedAt} />{' '}
                        <span class="muted">{one.lastIpAddress ?? one.ipAddress ?? 'unknown address'}</span>
                      </td>
                      <td data-label="Refreshes">{one.generation}</td>
                      <td class="actions">
                        <Action
                          label="End"
                          describes={`End the session of ${one.deviceName ?? one.userAgent}`}
                          work={async () => {
                            await call('DELETE', `admin/sessions/${one.id}`);
                            return 'The session has ended.';
                          }}
                          done={sessions.reload}
                        />
                        <Action
                          label="End the others"
                          ask="End all other sessions?"
                          describes={`End all sessions except that of ${one.deviceName ?? one.userAgent}`}
                          work={async () => `${counted(await endOthers(id, one.id), 'other session')} ended.`}
                          done={sessions.reload}
                        />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
              <div class="row">
                <Action
                  tone="danger"
                  label="End all sessions"
                  ask="End all sessions of this user?"
                  work={endAll}
                  done={sessions.reload}
                />
              </div>
            </>
          )
        }
      </Show>
    </section>
  );
}

function CutOff({ id, done }: { readonly id: string; readonly done: () => void }): JSX.Element {
  const [reason, setReason] = useState('');
  return (
    <section>
      <h2>Refuse all tokens</h2>
      <p>
        For example after a leaked password: every token of this user is refused at once, and the record keeps the
        reason.
      </p>
      <div class="row">
        <Field label="Reason">
          <input maxLength={500} value={reason} onInput={({ currentTarget }) => setReason(currentTarget.value)} />
        </Field>
        <Action
          tone="danger"
          label="Refuse all tokens"
          ask="Refuse them all?"
          work={async () => {
            const { newVersion } = await call<{ newVersion: number }>('POST', `${pathOf(id)}/rotations`, { reason });
            setReason('');
            return `All tokens below version ${String(newVersion)} of this user are refused.`;
          }}
          done={done}
        />
      </div>
    </section>
  );
}

/** The token is here alone: not in the address, not in a storage, and gone with the page, a press, or its end. */
function Act({ id, done }: { readonly id: string; readonly done: () => void }): JSX.Element {
  const [reason, setReason] = useState('');
  const [acting, setActing] = useState<ActingToken | null>(null);
  const shown = useRef<HTMLElement>(null);
  useEffect(() => {
    if (acting === null) return;
    const timer = setTimeout(() => setActing(null), acting.expiresIn * 1000);
    return () => clearTimeout(timer);
  }, [acting]);
  const act = async (): Promise<string> => {
    const token = await call<ActingToken>('POST', `${pathOf(id)}/act`, { reason });
    setReason('');
    setActing(token);
    return `You can act for this user until ${clockText(token.expiresAt)}. The trail has your reason.`;
  };
  const copy = async (): Promise<string> => {
    const { accessToken = '' } = acting ?? {};
    try {
      await navigator.clipboard.writeText(accessToken);
    } catch {
      if (shown.current !== null) getSelection()?.selectAllChildren(shown.current);
      throw new Error('The browser copies nothing here. The token is selected: copy it by the keyboard.');
    }
    return 'The token is copied.';
  };
  return (
    <section>
      <h2>Act for this user</h2>
      <p>
        Shows an access token of this user that names you as the actor, to see what the user sees. Routes that require
        the user in person refuse it.
      </p>
      {acting === null ? (
        <div key="ask" class="row">
          <Field label="Reason to act">
            <input
              name="act-reason"
              maxLength={500}
              value={reason}
              onInput={({ currentTarget }) => setReason(currentTarget.value)}
            />
          </Field>
          <Action label="Act for this user" ask="Act for this user?" work={act} done={done} />
        </div>
      ) : (
        <Notice key="token" tone="plain">
          <p>
            It is shown once, and works until <strong>{clockText(acting.expiresAt)}</strong>, for{' '}
            {spanText(acting.expiresIn)} at most; it ends with your session. Send it as{' '}
            <code>Authorization: {acting.tokenType} …</code>.
          </p>
          <p>
            <code class="token" ref={shown}>
              {acting.accessToken}
            </code>
          </p>
          <div class="row">
            <Action tone="main" label="Copy the token" isFirst work={copy} />
            <button type="button" class="quiet" onClick={() => setActing(null)}>
              Hide it
            </button>
          </div>
        </Notice>
      )}
    </section>
  );
}

export function UserPage({ id }: { readonly id: string }): JSX.Element {
  const [turn, setTurn] = useState(0);
  const next = (): void => setTurn((last) => last + 1);
  const user = useLoad((signal) => userOf(id, signal), [id]);
  const events = useLoad(
    (signal) => get<Page<AuditEvent>>(withQuery('admin/audit-events', { userId: id, limit: '20' }), signal),
    [id, turn],
  );
  const setActive = (isActive: boolean) => async (): Promise<string> => {
    await call('PATCH', pathOf(id), { isActive });
    return isActive ? 'The user can sign in again.' : 'The user is deactivated, and every session has ended.';
  };
  const changed = (): void => {
    user.reload();
    next();
  };
  return (
    <>
      <p class="way">
        <a href={to('users')}>Users</a>
      </p>
      <h1 tabIndex={-1}>{user.data ? <Said text={user.data.email} /> : 'A user'}</h1>
      <p class="muted">
        <code>
          <Said text={id} />
        </code>
      </p>
      <Show of={user}>
        {(known) =>
          known === null ? (
            <p class="muted">The directory of users has no such id, or offers no search.</p>
          ) : (
            <p class="row">
              <Badge tone={known.isActive ? 'good' : 'bad'}>{known.isActive ? 'active' : 'deactivated'}</Badge>
              {known.roles.map((role) => (
                <Badge key={role}>
                  <Said text={role} />
                </Badge>
              ))}
              {known.isActive ? (
                <Action
                  label="Deactivate"
                  ask="Deactivate, and end every session?"
                  work={setActive(false)}
                  done={changed}
                />
              ) : (
                <Action label="Activate" work={setActive(true)} done={changed} />
              )}
            </p>
          )
        }
      </Show>
      <Sessions key={turn} id={id} />
      <CutOff id={id} done={next} />
      <Act id={id} done={next} />
      <section>
        <h2>What happened last</h2>
        <Show of={events}>{({ items }) => <EventTable events={items} />}</Show>
        <a href={withQuery(to('trail'), { userId: id })}>Show all of it in the trail</a>
      </section>
    </>
  );
}
