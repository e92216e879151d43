import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { call, get } from '../api';
import type { AuditEvent, Page, Policy, Preview, Rotation } from '../answers';
import { act, Field, Notice, Show, useLoad } from '../parts';
import { counted, numberText, spanText, timeText } from '../texts';
import { EventTable } from './events';

const MODES = {
  immediate: 'Now: every token that exists is refused at once, and everybody signs in again. For a breach.',
  drain:
    'Within the grace period: tokens keep working until it ends, and are refused then. For a breach that can wait.',
  migrate: 'Users who return in time stay signed in: their tokens are exchanged for new ones. For hygiene.',
} as const;
type Mode = keyof typeof MODES;

const POLL_MS = 2000;
const WORD = 'cut off';

interface Standing {
  readonly policy: Policy;
  readonly preview: Preview;
}

async function standingOf(signal: AbortSignal): Promise<Standing> {
  const [policy, preview] = await Promise.all([
    get<Policy>('admin/security', signal),
    get<Preview>('admin/security/rotations/preview', signal),
  ]);
  return { policy, preview };
}

/** What is left of a grace period, and of the sessions that it is for. */
function Countdown({ standing: { policy, preview } }: { readonly standing: Standing }): JSX.Element | null {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  if (policy.graceEndsAt === null) return null;
  const left = (Date.parse(policy.graceEndsAt) - now) / 1000;
  if (left <= 0) return null;
  return (
    <Notice tone="plain">
      <p>
        <strong>{spanText(left)}</strong> until the grace period of the last cut-off (mode {policy.mode}) ends, at{' '}
        {timeText(policy.graceEndsAt)}. {counted(preview.sessionsBehind, 'session')} of the version before{' '}
        {preview.sessionsBehind === 1 ? 'is' : 'are'} left.
      </p>
    </Notice>
  );
}

function Form({ standing, done }: { readonly standing: Standing; readonly done: () => void }): JSX.Element {
  const { preview } = standing;
  const [mode, setMode] = useState<Mode>('immediate');
  const [grace, setGrace] = useState(String(preview.gracePeriodSeconds));
  const [reason, setReason] = useState('');
  const [typed, setTyped] = useState('');
  const [isBusy, setBusy] = useState(false);
  const confirmation = useRef<HTMLInputElement>(null);
  const hasGrace = mode !== 'immediate';
  const isReady = reason.trim() !== '' && typed.trim().toLowerCase() === WORD;
  const submit = (event: Event): void => {
    event.preventDefault();
    if (!isReady || isBusy) return;
    setBusy(true);
    void act(async () => {
      const rotation = await call<Rotation>('POST', 'admin/security/rotations', {
        reason,
        mode,
        expectedVersion: preview.previousVersion,
        ...(hasGrace && { gracePeriodSeconds: Number(grace) }),
      });
      const when = rotation.graceEndsAt === null ? 'now' : `until ${timeText(rotation.graceEndsAt)}`;
      return `Version ${numberText(rotation.newVersion)} is required ${when}: ${counted(rotation.sessionsAffected, 'session')} affected.`;
    }).then((worked) => {
      setBusy(false);
      setTyped('');
      if (worked) setReason('');
      // Without the word the button cannot have the focus.
      confirmation.current?.focus();
      done();
    });
  };
  return (
    <form onSubmit={submit}>
      <fieldset>
        <legend>How</legend>
        {(Object.entries(MODES) as [Mode, string][]).map(([one, words]) => (
          <label key={one} class="choice">
            <input type="radio" name="mode" value={one} checked={mode === one} onChange={() => setMode(one)} />
            <span>
              <strong>{one}</strong>
              <span class="hint">{words}</span>
            </span>
          </label>
        ))}
      </fieldset>
      {hasGrace && (
        <Field label="Grace period, in seconds" hint="At most 30 days.">
          <input
            type="number"
            name="grace"
            min={0}
            max={2_592_000}
            step={1}
            required
            value={grace}
            onInput={({ currentTarget }) => setGrace(currentTarget.value)}
          />
        </Field>
      )}
      <Field label="Reason" hint="The audit trail keeps it.">
        <input
          name="reason"
          maxLength={500}
          required
          value={reason}
          onInput={({ currentTarget }) => setReason(currentTarget.value)}
        />
      </Field>
      <Notice tone="plain">
        A dry run: version {numberText(preview.previousVersion)} would become {numberText(preview.newVersion)}, and{' '}
        <strong>{counted(preview.sessionsAffected, 'session')}</strong> would be affected.
      </Notice>
      <Field label={`To confirm, type “${WORD}”`}>
        <input
          name="confirmation"
          ref={confirmation}
          autocomplete="off"
          value={typed}
          onInput={({ currentTarget }) => setTyped(currentTarget.value)}
        />
      </Field>
      <button type="submit" class="danger" disabled={!isReady} aria-disabled={isBusy}>
        {isBusy ? 'Cutting off…' : 'Cut off all tokens'}
      </button>
    </form>
  );
}

export function CutOffPage(): JSX.Element {
  const standing = useLoad(standingOf, []);
  const { reload } = standing;
  const graceEndsAt = standing.data?.policy.graceEndsAt ?? null;
  const earlier = useLoad(
    (signal) => get<Page<AuditEvent>>('admin/audit-events?type=auth.global_rotation.succeeded.v1&limit=5', signal),
    [standing.data?.policy.globalMinTokenVersion],
  );
  useEffect(() => {
    if (graceEndsAt === null || Date.parse(graceEndsAt) <= Date.now()) return;
    const timer = setInterval(reload, POLL_MS);
    return () => clearInterval(timer);
  }, [graceEndsAt]);
  return (
    <>
      <h1 tabIndex={-1}>Cut-off</h1>
      <p class="lead">Refuses the tokens of all users, by a new version that each token must have.</p>
      <Show of={standing}>
        {(data) => (
          <>
            <Countdown standing={data} />
            <Form key={data.policy.globalMinTokenVersion} standing={data} done={reload} />
          </>
        )}
      </Show>
      <section>
        <h2>Earlier cut-offs</h2>
        <Show of={earlier}>{({ items }) => <EventTable events={items} />}</Show>
      </section>
    </>
  );
}
