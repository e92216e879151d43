const headingOf = (part: Element | null | undefined): HTMLElement | null =>
  part?.querySelector<HTMLElement>('h2') ?? document.querySelector<HTMLElement>('main h1');

function focus(heading: HTMLElement | null): void {
  if (heading === null) return;
  heading.tabIndex = -1;
  heading.focus();
}

/** Where a reader of the screen continues when the page is another one. */
export const focusHeading = (): void => focus(headingOf(null));

/**
 * Where what has the focus goes away, as the button of a session that has ended does, the heading of its section has it next.
 * Without that the keyboard would begin again at the top of the page.
 */
export function keepFocus(root: Element): void {
  let path: readonly Element[] = [];
  addEventListener('focusin', ({ target }) => {
    const found: Element[] = [];
    for (let element = target as Element | null; element !== null; element = element.parentElement) found.push(element);
    path = found;
  });
  // A press beside everything takes the focus away on purpose.
  addEventListener('pointerdown', () => (path = []));
  new MutationObserver(() => {
    const [last] = path;
    if (last === undefined || last.isConnected || document.activeElement !== document.body) return;
    const part = path.find((element) => element.isConnected);
    focus(headingOf(part?.closest('section')));
  }).observe(root, { childList: true, subtree: true });
}
