import type { Locator, Page } from 'playwright-core';
import type { Account } from '../support/app/test-application';

/** What functions that run in a page see. */
declare const window: any;

/** More than any page has to stop at. */
const MOST_STOPS = 250;

/** Somebody without a mouse: whatever has the focus is seen at each step, or the step fails. */
export class Keyboard {
  constructor(private readonly page: Page) {}

  async press(...keys: string[]): Promise<void> {
    for (const key of keys) await this.page.keyboard.press(key);
  }

  async type(text: string): Promise<void> {
    await this.page.keyboard.type(text);
  }

  /** Goes on by `Tab` until `target` has the focus. */
  async to(target: Locator): Promise<void> {
    await target.waitFor();
    for (let stop = 0; stop < MOST_STOPS; stop++) {
      if (await has(target)) return;
      await this.press('Tab');
      await this.demandSeen();
    }
    throw new Error(`Tab does not lead to ${String(target)}`);
  }

  async on(target: Locator, ...keys: string[]): Promise<void> {
    await this.to(target);
    await this.press(...keys);
  }

  /** In the place of what is there. */
  async fill(target: Locator, text: string): Promise<void> {
    await this.to(target);
    await this.press('ControlOrMeta+A');
    await this.type(text);
  }

  /** Waits until `target` has the focus, by itself. */
  async rests(target: Locator): Promise<void> {
    await target.waitFor();
    const handle = await target.elementHandle();
    await this.page.waitForFunction((element) => element === window.document.activeElement, handle);
    await this.demandSeen();
  }

  async signIn({ email, password }: Account): Promise<void> {
    const { page } = this;
    await this.rests(page.getByRole('heading', { name: 'Ratchet' }));
    await this.fill(page.getByLabel('E-mail'), email);
    await this.fill(page.getByLabel('Password'), password);
    await this.press('Enter');
    await this.rests(page.getByRole('heading', { name: 'Now', level: 1 }));
  }

  /** By the menu. */
  async visit(name: string): Promise<void> {
    const { page } = this;
    await this.on(page.getByRole('navigation').getByRole('link', { name, exact: true }), 'Enter');
    await this.rests(page.getByRole('heading', { name, level: 1 }));
  }

  /** Behind the last stop the browser has one of its own, at which the page has none. */
  private async demandSeen(): Promise<void> {
    const unseen: string | null = await this.page.evaluate(() => {
      const { document } = window;
      const element = document.activeElement;
      if (element === document.body) return null;
      const { outlineStyle, outlineWidth } = window.getComputedStyle(element);
      const isOutlined = outlineStyle !== 'none' && parseFloat(outlineWidth) > 0;
      // The first line of a link that has several; of what is larger than the window, the part in it.
      const { top, bottom, left, right } = element.getClientRects()[0];
      const x = (Math.max(0, left) + Math.min(window.innerWidth, right)) / 2;
      const y = (Math.max(0, top) + Math.min(window.innerHeight, bottom)) / 2;
      const found = document.elementFromPoint(x, y);
      const isOnTop = found !== null && element.contains(found);
      if (isOutlined && isOnTop) return null;
      return `${element.outerHTML.slice(0, 200)}, ${outlineStyle}, under ${found?.outerHTML.slice(0, 100)}`;
    });
    if (unseen !== null) throw new Error(`The focus is not seen: ${unseen}`);
  }
}

const has = (target: Locator): Promise<boolean> =>
  target.evaluate((element) => element === window.document.activeElement);
