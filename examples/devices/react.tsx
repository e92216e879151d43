import { createSession, type Session } from 'nest-ratchet/browser';
import type { DevicesElements } from 'nest-ratchet/browser/devices';
import 'nest-ratchet/browser/devices';
import { useEffect, useRef } from 'react';
import { createRoot } from 'react-dom/client';

declare module 'react' {
  namespace JSX {
    interface IntrinsicElements extends DevicesElements {}
  }
}

const session = createSession({ refreshUrl: '/auth/refresh', delivery: 'cookie' });

/** The session is a property and no attribute. React 18 sets none on custom elements, so a ref does. */
export function YourDevices({ session }: { readonly session: Session }) {
  const element = useRef<HTMLElement & { session?: Session }>(null);
  useEffect(() => {
    if (element.current) element.current.session = session;
  }, [session]);
  return (
    <section>
      <h2>Your devices</h2>
      <ratchet-devices ref={element} text-end-others="Sign out everywhere else" />
    </section>
  );
}

createRoot(document.getElementById('root')!).render(<YourDevices session={session} />);
