import type { JSX } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { session } from '../api';
import { Dialog, Field, Notice } from '../parts';

/** Asks for the password, since a change requires a recent proof. */
export function StepUp({ answer }: { readonly answer: (proved: boolean) => void }): JSX.Element {
  const [password, setPassword] = useState('');
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const field = useRef<HTMLInputElement>(null);

  const submit = (event: Event): void => {
    event.preventDefault();
    if (isBusy) return;
    setBusy(true);
    setError(null);
    session.reauthenticate(password).then(
      (token) => answer(token !== null),
      (failure: unknown) => {
        setBusy(false);
        setPassword('');
        field.current?.focus();
        const isWrong = failure instanceof Error && failure.name === 'WrongPassword';
        setError(isWrong ? 'The password is wrong.' : 'The server cannot be reached, or is busy. Try again.');
      },
    );
  };

  return (
    <Dialog title="Confirm that it is you" close={() => answer(false)}>
      <p>A change requires a recent proof. Your session continues.</p>
      {error !== null && <Notice tone="bad">{error}</Notice>}
      <form onSubmit={submit}>
        <Field label="Your password">
          <input
            type="password"
            name="proof"
            ref={field}
            autocomplete="current-password"
            required
            autofocus
            value={password}
            onInput={({ currentTarget }) => setPassword(currentTarget.value)}
          />
        </Field>
        <div class="row end">
          <button type="button" class="quiet" onClick={() => answer(false)}>
            Cancel
          </button>
          <button type="submit" class="main" aria-disabled={isBusy}>
            {isBusy ? 'Confirming…' : 'Confirm'}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
