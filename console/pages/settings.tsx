import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { call, get } from '../api';
import type { Diagnosis, Policy, Settings } from '../answers';
import { Action, Badge, Field, Said, Show, useLoad } from '../parts';
import { counted, numberText, spanText } from '../texts';

function Keys({ settings }: { readonly settings: Settings }): JSX.Element {
  return (
    <section>
      <h2>Keys</h2>
      <table class="list">
        <thead>
          <tr>
            <th scope="col">Key</th>
            <th scope="col">Algorithm</th>
            <th scope="col">Age</th>
            <th scope="col">Use</th>
          </tr>
        </thead>
        <tbody>
          {settings.accessTokenKeys.map(({ kid, algorithm, signs, ageDays }) => (
            <tr key={kid}>
              <td>
                access <Said text={kid} />
              </td>
              <td data-label="Algorithm">{algorithm}</td>
              <td data-label="Age">
                {ageDays === null ? (
                  <span class="muted">unknown: its id has no day</span>
                ) : (
                  <Badge tone={signs && ageDays > settings.keyLifeDays ? 'bad' : 'plain'}>
                    {counted(ageDays, 'day')}
                  </Badge>
                )}
              </td>
              <td data-label="Use">{signs ? 'signs and verifies' : 'verifies'}</td>
            </tr>
          ))}
          {settings.refreshTokenKeys.map(({ id, issues }) => (
            <tr key={id}>
              <td>refresh {id}</td>
              <td data-label="Algorithm">HMAC-SHA-256</td>
              <td data-label="Age">
                <span class="muted">not kept</span>
              </td>
              <td data-label="Use">{issues ? 'issues and verifies' : 'verifies'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

const TONES = { ok: 'good', warn: 'plain', fail: 'bad' } as const;

function Checks(): JSX.Element {
  const diagnosis = useLoad((signal) => get<Diagnosis>('admin/doctor', signal), []);
  return (
    <section>
      <h2>Checks</h2>
      <p class="muted">
        What <code>npx ratchet doctor</code> reports, of the process that answers.
      </p>
      <Show of={diagnosis}>
        {({ healthy, checks }) => (
          <>
            <p>{healthy ? 'No check has failed.' : <strong>A check has failed.</strong>}</p>
            <ul class="plain checks">
              {checks.map(({ check, status, message }) => (
                <li key={check}>
                  <Badge tone={TONES[status]}>{status}</Badge> <strong>{check}</strong>: <Said text={message} />
                </li>
              ))}
            </ul>
          </>
        )}
      </Show>
      <div class="row">
        <button type="button" class="quiet" onClick={diagnosis.reload}>
          Check again
        </button>
      </div>
    </section>
  );
}

function Limits({ settings }: { readonly settings: Settings }): JSX.Element {
  const rows: readonly (readonly [string, string])[] = [
    ['An access token lives', spanText(settings.accessTokenTtlSeconds)],
    ['A session that is not used ends after', spanText(settings.refreshTokenTtlSeconds)],
    ['A session ends in any case after', spanText(settings.sessionAbsoluteTtlSeconds)],
    ['A predecessor is accepted again for', spanText(settings.replayWindowSeconds)],
    ['Within that time, at most', counted(settings.maxReplays, 'time')],
    [
      'A user has at most',
      settings.maxSessionsPerUser === 0 ? 'any number of sessions' : counted(settings.maxSessionsPerUser, 'session'),
    ],
    [
      "An administrator's proof for a change is at most",
      settings.adminReauthenticationSeconds === null
        ? 'of any age'
        : `${spanText(settings.adminReauthenticationSeconds)} old`,
    ],
    ...settings.limits.map(({ name, points, seconds }): readonly [string, string] => [
      name,
      points === null || seconds === null ? 'no limit' : `${numberText(points)} in ${spanText(seconds)}`,
    ]),
  ];
  return (
    <section>
      <h2>Lifetimes and limits</h2>
      <table class="counts">
        <tbody>
          {rows.map(([name, value]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>{value}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Grace({ policy, done }: { readonly policy: Policy; readonly done: () => void }): JSX.Element {
  const [seconds, setSeconds] = useState(String(policy.gracePeriodSeconds));
  return (
    <section>
      <h2>Grace period</h2>
      <p>The default of later cut-offs that name none. A running grace period does not change.</p>
      <div class="row">
        <Field label="Seconds">
          <input
            type="number"
            name="grace"
            min={0}
            max={2_592_000}
            value={seconds}
            onInput={({ currentTarget }) => setSeconds(currentTarget.value)}
          />
        </Field>
        <Action
          label="Set"
          tone="main"
          work={async () => {
            const set = await call<Policy>('PATCH', 'admin/security', { gracePeriodSeconds: Number(seconds) });
            return `The default grace period is ${spanText(set.gracePeriodSeconds)}.`;
          }}
          done={done}
        />
      </div>
    </section>
  );
}

export function SettingsPage(): JSX.Element {
  const settings = useLoad((signal) => get<Settings>('admin/settings', signal), []);
  const policy = useLoad((signal) => get<Policy>('admin/security', signal), []);
  return (
    <>
      <h1 tabIndex={-1}>Keys and limits</h1>
      <Checks />
      <Show of={settings}>
        {(data) => (
          <>
            <Keys settings={data} />
            <Limits settings={data} />
          </>
        )}
      </Show>
      <Show of={policy}>{(data) => <Grace policy={data} done={policy.reload} />}</Show>
    </>
  );
}
