import axe from 'axe-core';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import type { Account } from '../support/app/test-application';

/** What functions that run in a page see. */
declare const window: any;

interface Look {
  readonly width?: number;
  readonly height?: number;
  readonly colorScheme?: 'light' | 'dark';
}

/** A window with the console, and what must not happen there. */
export class Visitor {
  /** Violations of the Content-Security-Policy, and errors that nobody caught. */
  readonly complaints: string[] = [];

  private constructor(
    readonly context: BrowserContext,
    readonly page: Page,
    private readonly url: string,
  ) {}

  static async open(
    browser: Browser,
    url: string,
    { width = 1280, height = 900, colorScheme = 'light' }: Look = {},
  ): Promise<Visitor> {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme });
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    const visitor = new Visitor(context, page, `${url}/console/`);
    await page.exposeFunction('complain', (text: string) => void visitor.complaints.push(text));
    await page.addInitScript(() =>
      window.addEventListener('securitypolicyviolation', (event: any) =>
        window.complain(`${event.violatedDirective}: ${event.blockedURI}`),
      ),
    );
    page.on('pageerror', (error) => void visitor.complaints.push(String(error)));
    await page.goto(visitor.url);
    return visitor;
  }

  async signIn({ email, password }: Account): Promise<void> {
    const { page } = this;
    await page.getByLabel('E-mail').fill(email);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Now' }).waitFor();
  }

  /** Goes to a page, and waits until it shows what it has loaded. */
  async go(path: string, heading: string): Promise<void> {
    const { page } = this;
    await page.evaluate((hash) => {
      window.location.hash = hash;
    }, `#/${path}`);
    await page.getByRole('heading', { name: heading, level: 1 }).waitFor();
    await page.waitForFunction(() => !/Loading…|Asking…/.test(window.document.querySelector('main').innerText));
  }

  /** The words of axe for what hinders people, with the element. */
  async hindrances(): Promise<string[]> {
    await this.page.evaluate(axe.source);
    const violations = await this.page.evaluate(async () => (await window.axe.run()).violations);
    return violations.flatMap(({ id, nodes }: any) =>
      nodes.map((node: any) => `${id}: ${node.target.join(' ')} ${node.failureSummary}`),
    );
  }

  /** By how many pixels the page is wider than the window. */
  overflow(): Promise<number> {
    return this.page.evaluate(() => {
      const { scrollWidth, clientWidth } = window.document.documentElement;
      return scrollWidth - clientWidth;
    });
  }
}
