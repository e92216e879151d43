import { type JSX, render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { look, question, session, signOut, visitor } from './api';
import { CutOffPage } from './pages/cut-off';
import { NowPage } from './pages/now';
import { SessionPage } from './pages/session';
import { SettingsPage } from './pages/settings';
import { SignIn } from './pages/sign-in';
import { StepUp } from './pages/step-up';
import { TrailPage } from './pages/trail';
import { UserPage } from './pages/user';
import { UsersPage } from './pages/users';
import { focusHeading, keepFocus } from './focus';
import { act, Notice, SaidLast, wordsOf } from './parts';
import { type Place, to, usePlace } from './routing';
import { useStore } from './store';

const PAGES: readonly (readonly [name: string, title: string])[] = [
  ['now', 'Now'],
  ['users', 'Users'],
  ['trail', 'Trail'],
  ['cut-off', 'Cut-off'],
  ['settings', 'Keys and limits'],
];

/** The entry of the menu that a page belongs to. */
const HOME: Readonly<Record<string, string>> = { sessions: 'users' };

function Page({ place }: { readonly place: Place }): JSX.Element {
  const [name = '', id] = place.parts;
  if (name === 'users') return id === undefined ? <UsersPage place={place} /> : <UserPage id={id} />;
  if (name === 'sessions' && id !== undefined) return <SessionPage id={id} />;
  if (name === 'trail') return <TrailPage place={place} />;
  if (name === 'cut-off') return <CutOffPage />;
  if (name === 'settings') return <SettingsPage />;
  return <NowPage />;
}

function useOnline(): boolean {
  const [isOnline, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const follow = (): void => setOnline(navigator.onLine);
    addEventListener('online', follow);
    addEventListener('offline', follow);
    return () => {
      removeEventListener('online', follow);
      removeEventListener('offline', follow);
    };
  }, []);
  return isOnline;
}

function Inside({ email }: { readonly email: string }): JSX.Element {
  const place = usePlace();
  const isOnline = useOnline();
  const asked = useStore(question);
  const [name = ''] = place.parts;
  const current = PAGES.some(([one]) => one === name) ? name : (HOME[name] ?? 'now');
  const title = PAGES.find(([one]) => one === current)?.[1] ?? '';
  const key = place.parts.join('/');
  useEffect(() => {
    document.title = `${title} – Ratchet`;
    // A reader of the screen continues where the page has changed.
    focusHeading();
  }, [key, title]);
  return (
    <div class="frame">
      <a class="skip" href="#content" onClick={skip}>
        Skip to the content
      </a>
      <header>
        <p class="name">Ratchet</p>
        <nav aria-label="Pages">
          <ul>
            {PAGES.map(([one, words]) => (
              <li key={one}>
                <a href={to(one)} aria-current={one === current ? 'page' : undefined}>
                  {words}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <div class="visitor">
          <span class="email">{email}</span>
          <button type="button" class="quiet" onClick={() => void act(() => signOut().then(() => 'Signed out.'))}>
            Sign out
          </button>
        </div>
      </header>
      <main id="content">
        {!isOnline && <Notice tone="bad">You are offline. What you see is what was loaded last.</Notice>}
        <Page key={key} place={place} />
      </main>
      <SaidLast />
      {asked !== null && <StepUp answer={asked.answer} />}
    </div>
  );
}

/** The address is the page's own: the browser would go to one with this name. */
function skip(event: Event): void {
  event.preventDefault();
  focusHeading();
}

function Console(): JSX.Element {
  const who = useStore(visitor);
  const [error, setError] = useState<unknown>();
  const start = (): void => {
    setError(undefined);
    look().catch(setError);
  };
  useEffect(start, []);
  // Another tab has signed in.
  useEffect(() => session.onChange((current) => current !== null && visitor.value.kind === 'out' && start()), []);
  if (who.kind === 'in') return <Inside email={who.me.email} />;
  if (who.kind === 'out') return <SignIn why={who.why} />;
  return (
    <main class="alone">
      <h1>Ratchet</h1>
      {error === undefined ? (
        <p role="status">Loading…</p>
      ) : (
        <Notice tone="bad">
          <p>{wordsOf(error)}</p>
          <button type="button" class="quiet" onClick={start}>
            Try again
          </button>
        </Notice>
      )}
    </main>
  );
}

const root = document.getElementById('console');
if (root !== null) {
  keepFocus(root);
  render(<Console />, root);
}
