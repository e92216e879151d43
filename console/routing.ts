import { useEffect, useState } from 'preact/hooks';

/** Where the visitor is: `#/sessions/42?zoom=2` has the parts `sessions` and `42`, and the parameter `zoom`. */
export interface Place {
  readonly parts: readonly string[];
  readonly parameters: URLSearchParams;
}

function placeIn(hash: string): Place {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const parts = path.split('/').map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return { parts, parameters: new URLSearchParams(query) };
}

export function usePlace(): Place {
  const [place, setPlace] = useState(() => placeIn(location.hash));
  useEffect(() => {
    const follow = (): void => setPlace(placeIn(location.hash));
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  return place;
}

export const to = (...parts: readonly string[]): string => `#/${parts.map(encodeURIComponent).join('/')}`;
