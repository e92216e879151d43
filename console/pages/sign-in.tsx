import type { JSX } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { signIn } from '../api';
import { Field, focused, Notice, wordsOf } from '../parts';

export function SignIn({ why }: { readonly why: string | null }): JSX.Element {
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const field = useRef<HTMLInputElement>(null);

  const submit = (event: Event): void => {
    event.preventDefault();
    if (isBusy) return;
    setBusy(true);
    setError(null);
    signIn(email, password)
      .catch((failure: unknown) => setError(wordsOf(failure)))
      .finally(() => {
        setBusy(false);
        setPassword('');
        field.current?.focus();
      });
  };

  return (
    <main class="alone">
      <h1 tabIndex={-1} ref={focused}>
        Ratchet
      </h1>
      <p class="lead">Watch over sessions. Sign in with an account that has the role admin.</p>
      {why !== null && error === null && <Notice tone="plain">{why}</Notice>}
      {error !== null && <Notice tone="bad">{error}</Notice>}
      <form onSubmit={submit}>
        <Field label="E-mail">
          <input
            type="email"
            name="email"
            autocomplete="username"
            required
            value={email}
            onInput={({ currentTarget }) => setEmail(currentTarget.value)}
          />
        </Field>
        <Field label="Password">
          <input
            type="password"
            name="password"
            ref={field}
            autocomplete="current-password"
            required
            value={password}
            onInput={({ currentTarget }) => setPassword(currentTarget.value)}
          />
        </Field>
        <button type="submit" class="main" aria-disabled={isBusy}>
          {isBusy ? 'Signing in…' : 'Sign in'}
        </button>
      </form>
    </main>
  );
}
