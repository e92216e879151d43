/**
 * `<ratchet-devices>`: the sessions of a user, to rename and to end.
 * @module nest-ratchet/browser/devices
 */
import type { Session } from '../client/index.mjs';

/** A session as `GET /auth/sessions` lists it, as far as the element reads it. */
interface Device {
  readonly id: string;
  readonly current: boolean;
  readonly deviceName: string | null;
  readonly userAgent: string;
  readonly ipAddress: string | null;
  readonly lastIpAddress: string | null;
  readonly lastUsedAt: string;
}

interface Page {
  readonly items: readonly Device[];
  readonly nextCursor: string | null;
}

/** The words of the element. Each is an attribute: `text-end="Abmelden"`. `%s` is the device or, in `text-place`, the address. */
const TEXTS = {
  loading: 'Loading…',
  empty: 'You are signed in on no device.',
  failed: 'The devices cannot be shown at the moment.',
  retry: 'Try again',
  current: 'this device',
  used: 'Last used',
  place: 'from %s',
  rename: 'Rename',
  'rename-of': 'Rename %s',
  name: 'Name of the device',
  save: 'Save',
  cancel: 'Cancel',
  end: 'Sign out',
  'end-of': 'Sign out %s',
  'end-others': 'Sign out all other devices',
  prove: 'Enter your password to continue',
  password: 'Password',
  confirm: 'Continue',
  wrong: 'The password is wrong.',
  unchanged: 'Nothing has changed: the server cannot be reached, or refused.',
};
type TextName = keyof typeof TEXTS;

/** What a page may set on the element, in markup and in JSX. */
export interface DevicesProperties {
  /** The session of `nest-ratchet/client` or `nest-ratchet/browser` whose user owns the devices. */
  session?: Session | undefined;
  /** The route, relative to the page; `/auth/sessions` by default. */
  url?: string;
  /** The language of times, such as `de`; the page's by default. */
  lang?: string;
}

/**
 * The type of `<ratchet-devices>` in JSX. In React:
 * `declare module 'react' { namespace JSX { interface IntrinsicElements extends DevicesElements {} } }`.
 */
export interface DevicesElements {
  'ratchet-devices': DevicesProperties & {
    readonly [text in `text-${TextName}`]?: string;
  } & { readonly ref?: unknown; readonly class?: string; readonly className?: string; readonly id?: string };
}

const STYLE = `
:host{display:block;font:inherit;color:inherit}
ul{list-style:none;margin:0;padding:0}
li{display:flex;flex-wrap:wrap;gap:.5em 1em;align-items:center;padding:.8em 0;border-bottom:1px solid var(--ratchet-line,#d9dde1)}
.what{flex:1 1 14em;min-width:0;overflow-wrap:anywhere}
.name{font-weight:600}
.badge{margin-inline-start:.5em;padding:.05em .6em;border-radius:1em;font-size:.85em;background:var(--ratchet-accent-soft,#e3f3e9);color:var(--ratchet-good,#17693a)}
.place{font-size:.9em;color:var(--ratchet-muted,#56606b)}
.row{display:flex;flex-wrap:wrap;gap:.5em;align-items:center}
button,input{font:inherit;color:inherit;min-height:2.3em;padding:.2em .8em;border-radius:var(--ratchet-radius,.5em);border:1px solid var(--ratchet-border,#77818c);background:var(--ratchet-surface,transparent)}
button{cursor:pointer}
label{display:block}
form{margin:.8em 0}
.bad{color:var(--ratchet-bad,#b0221b)}
:focus-visible{outline:3px solid var(--ratchet-accent,#2153c4);outline-offset:2px}`;

/** Characters that show nothing, or turn the text after them. */
const HIDDEN = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;
const visible = (text: string): string =>
  text.replace(HIDDEN, (one) => `⟨U+${(one.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}⟩`);

const nameOf = ({ deviceName, userAgent }: Device): string => visible(deviceName ?? userAgent).slice(0, 160);

type Child = Node | string | null;

/** An element with its part, for styles of the page. */
function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  part: string,
  properties: Partial<HTMLElementTagNameMap[Name]> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  const element = Object.assign(document.createElement(name), properties);
  element.className = part;
  element.part.add(...part.split(' '));
  element.append(...children.filter((child) => child !== null));
  return element;
}

function define(): void {
  /** "Your devices": lists, renames and ends the sessions of the user who is signed in. */
  class RatchetDevices extends HTMLElement {
    static readonly observedAttributes = ['url', 'lang', ...Object.keys(TEXTS).map((name) => `text-${name}`)];

    private held: Session | undefined;
    private stop: (() => void) | undefined;
    private devices: readonly Device[] = [];
    private turn = 0;
    private readonly shadow = this.attachShadow({ mode: 'open' });
    private readonly content = make('div', 'content');
    private readonly prompt = make('div', 'prompt');
    private readonly message = make('p', 'message bad', { role: 'alert' });

    constructor() {
      super();
      // Not a style element, which a strict Content-Security-Policy refuses.
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      this.shadow.adoptedStyleSheets = [sheet];
      this.shadow.append(this.message, this.prompt, this.content);
    }

    get session(): Session | undefined {
      return this.held;
    }

    set session(session: Session | undefined) {
      this.stop?.();
      this.held = session;
      this.stop = session?.onChange(() => void this.load());
      void this.load();
    }

    connectedCallback(): void {
      // Set before the element was defined.
      const early = Object.getOwnPropertyDescriptor(this, 'session')?.value as Session | undefined;
      if (early !== undefined) {
        Reflect.deleteProperty(this, 'session');
        this.session = early;
      }
    }

    attributeChangedCallback(name: string): void {
      if (name === 'url') void this.load();
      else this.show();
    }

    private text(name: TextName, device = ''): string {
      return (this.getAttribute(`text-${name}`) ?? TEXTS[name]).replace('%s', device);
    }

    private path(rest = ''): string {
      return new URL((this.getAttribute('url') ?? '/auth/sessions') + rest, document.baseURI).href;
    }

    /** Reads all pages, and shows them unless another reading has begun. */
    private async load(): Promise<void> {
      const turn = ++this.turn;
      const { held } = this;
      if (held === undefined) return;
      if (this.devices.length === 0) this.content.replaceChildren(make('p', 'loading', {}, this.text('loading')));
      const found: Device[] = [];
      try {
        for (let cursor: string | null = ''; cursor !== null && held.current !== null;) {
          const response = await held.fetch(this.path(cursor && `?cursor=${cursor}`));
          if (!response.ok) throw new Error();
          const { items, nextCursor } = (await response.json()) as Page;
          found.push(...items);
          cursor = nextCursor;
        }
      } catch {
        if (turn === this.turn) this.fail();
        return;
      }
      if (turn !== this.turn) return;
      this.devices = found;
      this.show();
    }

    private fail(): void {
      const retry = this.button('retry', () => void this.load());
      this.content.replaceChildren(make('p', 'failed bad', { role: 'alert' }, this.text('failed')), retry);
    }

    private button(name: TextName, run: () => void, label?: string): HTMLButtonElement {
      const button = make('button', 'button', { type: 'button', onclick: run }, this.text(name));
      if (label !== undefined) button.ariaLabel = label;
      return button;
    }

    private show(): void {
      if (this.held === undefined || this.turn === 0) return;
      if (this.devices.length === 0) {
        this.content.replaceChildren(make('p', 'empty', {}, this.text('empty')));
        return;
      }
      const others = this.devices.some(({ current }) => !current);
      const list = make('ul', 'list', {}, ...this.devices.map((device) => this.item(device)));
      this.content.replaceChildren(
        list,
        ...(others
          ? [
              make(
                'p',
                'row',
                {},
                this.button('end-others', () => void this.endOthers()),
              ),
            ]
          : []),
      );
    }

    private item(device: Device): HTMLElement {
      const { id, current, lastUsedAt, lastIpAddress, ipAddress } = device;
      const name = nameOf(device);
      const language = this.lang || document.documentElement.lang || undefined;
      const time = new Date(lastUsedAt).toLocaleString(language, { dateStyle: 'medium', timeStyle: 'short' });
      const address = lastIpAddress ?? ipAddress;
      const place = `${this.text('used')} ${time}${address === null ? '' : ` ${this.text('place', address)}`}`;
      const item = make(
        'li',
        current ? 'device current-device' : 'device',
        {},
        make(
          'div',
          'what',
          {},
          make('bdi', 'name', {}, name),
          current ? make('span', 'badge', {}, this.text('current')) : null,
          make('div', 'place', {}, place),
        ),
        make(
          'div',
          'row actions',
          {},
          this.button('rename', () => this.rename(item, device), this.text('rename-of', name)),
          this.button('end', () => void this.end(id, current), this.text('end-of', name)),
        ),
      );
      return item;
    }

    private rename(item: HTMLElement, device: Device): void {
      const input = make('input', 'input', { value: device.deviceName ?? '', maxLength: 128 });
      const label = make('label', 'label', {}, `${this.text('name')} `, input);
      const save = make('button', 'button', { type: 'submit' }, this.text('save'));
      const form = make(
        'form',
        'form row',
        {},
        label,
        save,
        this.button('cancel', () => this.show()),
      );
      form.onsubmit = (event) => {
        event.preventDefault();
        void this.change('PATCH', `/${device.id}`, { deviceName: input.value.trim() || null });
      };
      item.replaceChildren(form);
      input.focus();
    }

    private async end(id: string, isCurrent: boolean): Promise<void> {
      // Its own end is a log-out, which takes the cookie along, and requires no proof.
      if (isCurrent) await this.held?.end().catch(() => this.say());
      else await this.change('DELETE', `/${id}`);
    }

    private async endOthers(): Promise<void> {
      await this.change('DELETE', '?except=current');
    }

    private say(text: string = this.text('unchanged')): void {
      this.message.textContent = text;
    }

    private async change(method: string, rest: string, body?: object): Promise<void> {
      this.say('');
      const init = {
        method,
        ...(body && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
      };
      const send = async () => this.held?.fetch(this.path(rest), init);
      try {
        let response = await send();
        const { recovery } = (response?.status === 401 ? await response.json() : {}) as { recovery?: string };
        if (recovery === 'step_up') {
          if (!(await this.prove())) return;
          response = await send();
        }
        // One that has ended meanwhile is what was asked for.
        if (!response?.ok && response?.status !== 404) throw new Error();
        this.dispatchEvent(new CustomEvent('change', { bubbles: true }));
      } catch {
        this.say();
      }
      await this.load();
    }

    /** Asks for the password until it is right, or the question is closed. */
    private prove(): Promise<boolean> {
      return new Promise((resolve) => {
        const input = make('input', 'input', { type: 'password', required: true, autocomplete: 'current-password' });
        const confirm = make('button', 'button', { type: 'submit' }, this.text('confirm'));
        const close = (proved: boolean): void => {
          this.prompt.replaceChildren();
          resolve(proved);
        };
        const form = make(
          'form',
          'form',
          {},
          make('p', 'question', {}, this.text('prove')),
          make('label', 'label', {}, `${this.text('password')} `, input),
          make(
            'div',
            'row',
            {},
            confirm,
            this.button('cancel', () => close(false)),
          ),
        );
        form.onsubmit = (event) => {
          event.preventDefault();
          confirm.disabled = true;
          this.held?.reauthenticate(input.value).then(
            (token) => close(token !== null),
            (error: unknown) => {
              confirm.disabled = false;
              this.say(error instanceof Error && error.name === 'WrongPassword' ? this.text('wrong') : undefined);
              input.select();
            },
          );
        };
        this.prompt.replaceChildren(form);
        input.focus();
      });
    }
  }

  customElements.define('ratchet-devices', RatchetDevices);
}

// On a server there are no elements, and an import changes nothing.
if (typeof HTMLElement !== 'undefined' && !customElements.get('ratchet-devices')) define();
