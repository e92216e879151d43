import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { agentText, numberText, plainText, wordText } from '../texts';
import { type Bead, type Fold, folded, type Item, type Theft } from './story';
import { authorOf, sentenceOf, whenOf } from './words';

/** Distances between beads, and how long a row of plain beads may be before it folds. */
const ZOOMS = [
  { step: 26, row: 3 },
  { step: 44, row: 6 },
  { step: 64, row: 16 },
  { step: 84, row: 60 },
] as const;
const USUAL = 2;

const LEFT = 56;
const STRING = 104;
const BRANCH = 198;
const HEIGHT = 276;
/** Room at the right for the words of the last item. */
const RIGHT = 190;
/** Items beside the visible part that are drawn, too. */
const MARGIN = 20;

interface Drawn {
  readonly item: Item;
  readonly x: number;
}

/** The item at which a branch leaves: the bead of the generation, the fold that holds it, or else the start. */
function originOf(drawn: readonly Drawn[], { generation }: Theft): Drawn | null {
  const found = drawn.find(
    ({ item }) =>
      (item.kind === 'bead' && item.generation === generation) ||
      (item.kind === 'fold' && item.beads.some((bead) => bead.generation === generation)),
  );
  return found ?? drawn.find(({ item }) => item.kind === 'start') ?? null;
}

const short = (address: string | null, agent: string): readonly [string, string] => [
  address ?? 'unknown address',
  plainText(agentText(agent)).slice(0, 26),
];

function Replays({ x, replays }: { readonly x: number; readonly replays: Bead['replays'] }): JSX.Element {
  return (
    <g class="replays">
      {replays.slice(0, 3).map((replay, turn) => {
        const height = 24 + turn * 11;
        return (
          <path
            key={replay.at + String(turn)}
            d={`M${String(x + 4)},${String(STRING - 9)} C${String(x + 20 + turn * 4)},${String(STRING - height - 16)} ${String(x - 20 - turn * 4)},${String(STRING - height - 16)} ${String(x - 4)},${String(STRING - 9)}`}
          />
        );
      })}
      <text x={x} y={STRING - 62 + (replays.length > 1 ? -4 : 14)} text-anchor="middle">
        {replays.length === 1 ? 'again' : `again ×${numberText(replays.length)}`}
      </text>
    </g>
  );
}

function Shape({ item, x, step }: { readonly item: Item; readonly x: number; readonly step: number }): JSX.Element {
  switch (item.kind) {
    case 'start': {
      const [address, agent] = short(item.address, item.agent);
      return (
        <g class="start">
          <circle cx={x} cy={STRING} r="10" />
          <text x={x - 10} y={STRING - 44}>
            {item.method === null ? 'opened' : `opened by ${plainText(item.method)}`}
          </text>
          <text class="fine" x={x - 10} y={STRING - 28}>
            {address}
          </text>
          <text class="fine" x={x - 10} y={STRING - 14}>
            {step > 50 ? agent : ''}
          </text>
        </g>
      );
    }
    case 'bead':
      return (
        <g class={item.changed.length > 0 ? 'bead changed' : 'bead'}>
          {item.missing > 0 && (
            <text class="fine" x={x - step / 2} y={STRING - 10} text-anchor="middle">
              ?
            </text>
          )}
          <circle cx={x} cy={STRING} r="7.5" />
          {item.changed.length > 0 && (
            <>
              <path class="flag" d={`M${String(x)},${String(STRING + 12)} v14 m-5,-7 l5,-7 l5,7`} />
              <text class="fine" x={x} y={STRING + 58} text-anchor="middle">
                {item.changed.includes('address')
                  ? (item.address ?? 'unknown address')
                  : `new ${item.changed.join(', ')}`}
              </text>
            </>
          )}
          <text class="fine" x={x} y={STRING + (item.changed.length > 0 ? 42 : 28)} text-anchor="middle">
            {item.generation}
          </text>
          {item.replays.length > 0 && <Replays x={x} replays={item.replays} />}
        </g>
      );
    case 'fold':
      return (
        <g class="fold">
          <rect x={x - 20} y={STRING - 13} width="40" height="26" rx="13" />
          <text x={x} y={STRING + 4} text-anchor="middle">
            ×{numberText(item.beads.length)}
          </text>
        </g>
      );
    case 'theft':
      return (
        <g class="theft">
          <circle cx={x} cy={BRANCH} r="9" />
          <path d={`M${String(x - 4)},${String(BRANCH - 4)} l8,8 m0,-8 l-8,8`} />
        </g>
      );
    case 'end':
      return (
        <g class="end">
          <path d={`M${String(x)},${String(STRING - 46)} V${String(STRING + 46)}`} />
          <path class="blade" d={`M${String(x - 7)},${String(STRING - 7)} l14,14 m0,-14 l-14,14`} />
          <text x={x + 10} y={STRING - 34}>
            ended: {wordText(item.reason)}
          </text>
          <text class="fine" x={x + 10} y={STRING - 18}>
            {authorOf(item)}
          </text>
        </g>
      );
    case 'mark':
      return (
        <g class={item.isFailure ? 'mark failure' : 'mark'}>
          <path d={`M${String(x)},${String(STRING - 9)} l8,9 l-8,9 l-8,-9 Z`} />
        </g>
      );
  }
}

/** The part of a session that two parties had: from the bead where it left, with both of them. */
function Branch({ theft, x, from }: { readonly theft: Theft; readonly x: number; readonly from: number }): JSX.Element {
  const thief = short(theft.presentedBy.address, theft.presentedBy.agent);
  const other = theft.rotatedBy && short(theft.rotatedBy.address, theft.rotatedBy.agent);
  const bend = Math.min(40, Math.max(12, (x - from) / 3));
  return (
    <g class="branch">
      <path
        d={`M${String(from)},${String(STRING)} C${String(from + bend)},${String(STRING)} ${String(from)},${String(BRANCH)} ${String(from + bend * 1.6)},${String(BRANCH)} H${String(x)}`}
      />
      <text x={x - 16} y={BRANCH - 14} text-anchor="end">
        the same token again
      </text>
      <text x={x + 16} y={BRANCH + 2}>
        presented by {thief[0]}
      </text>
      <text class="fine" x={x + 16} y={BRANCH + 18}>
        {thief[1]}
      </text>
      {other !== null && (
        <>
          <text x={x + 16} y={BRANCH + 42}>
            exchanged before by {other[0]}
          </text>
          <text class="fine" x={x + 16} y={BRANCH + 58}>
            {other[1]}
          </text>
        </>
      )}
    </g>
  );
}

/** The string itself: whole until the end, then dashed. */
function Strand({ drawn }: { readonly drawn: readonly Drawn[] }): JSX.Element | null {
  const string = drawn.filter(({ item }) => item.kind !== 'theft');
  const first = string[0];
  const last = string.at(-1);
  if (first === undefined || last === undefined) return null;
  const end = drawn.find(({ item }) => item.kind === 'end');
  return (
    <>
      <path class="strand" d={`M${String(first.x)},${String(STRING)} H${String(end?.x ?? last.x + 30)}`} />
      {end !== undefined && last.x > end.x && (
        <path class="strand after" d={`M${String(end.x)},${String(STRING)} H${String(last.x)}`} />
      )}
    </>
  );
}

interface PictureProps {
  readonly items: readonly Item[];
  /** Of what is shown in full beneath. */
  readonly chosen: string | null;
  readonly choose: (item: Item) => void;
}

export function Picture({ items, chosen, choose }: PictureProps): JSX.Element {
  const [zoom, setZoom] = useState(USUAL);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const [view, setView] = useState({ from: 0, to: 60 });
  const frame = useRef<HTMLDivElement>(null);
  const { step, row } = ZOOMS[zoom] ?? ZOOMS[USUAL];
  const shown = useMemo(() => folded(items, row, ({ id }) => open.has(id)), [items, row, open]);
  const drawn = useMemo(() => shown.map((item, index) => ({ item, x: LEFT + index * step })), [shown, step]);
  const width = LEFT + Math.max(0, drawn.length - 1) * step + RIGHT;

  // Only what is in view is drawn: a session may have tens of thousands of refreshes.
  const follow = (): void => {
    const { scrollLeft = 0, clientWidth = 1200 } = frame.current ?? {};
    const from = Math.max(0, Math.floor((scrollLeft - LEFT) / step) - MARGIN);
    const to = Math.ceil((scrollLeft + clientWidth) / step) + MARGIN;
    setView((last) => (last.from === from && last.to === to ? last : { from, to }));
  };
  useEffect(follow, [step, drawn.length]);

  const zoomTo = (next: number): void => setZoom(Math.min(ZOOMS.length - 1, Math.max(0, next)));
  const place = drawn.findIndex(({ item }) => item.id === chosen);
  const pick = (index: number): void => {
    const next = drawn[Math.min(drawn.length - 1, Math.max(0, index))];
    if (next === undefined) return;
    choose(next.item);
    const within = frame.current;
    if (within === null) return;
    if (next.x < within.scrollLeft + LEFT || next.x > within.scrollLeft + within.clientWidth - LEFT)
      within.scrollTo({ left: next.x - within.clientWidth / 2 });
  };
  const press = (item: Item): void => {
    choose(item);
    if (item.kind === 'fold') unfold(item);
  };
  const unfold = ({ id }: Fold): void => setOpen(new Set([...open, id]));
  const onKeyDown = (event: KeyboardEvent): void => {
    const at = place === -1 ? 0 : place;
    const item = drawn[at]?.item;
    const keys: Readonly<Record<string, () => void>> = {
      ArrowRight: () => pick(place + 1),
      ArrowLeft: () => pick(at - 1),
      Home: () => pick(0),
      End: () => pick(drawn.length - 1),
      Enter: () => item?.kind === 'fold' && unfold(item),
      '+': () => zoomTo(zoom + 1),
      '-': () => zoomTo(zoom - 1),
    };
    const run = keys[event.key];
    if (run === undefined) return;
    event.preventDefault();
    run();
  };

  const visible = drawn.slice(view.from, view.to);
  const thefts = drawn.filter((one): one is { item: Theft; x: number } => one.item.kind === 'theft');
  return (
    <figure class="picture">
      <div class="row tools">
        <span class="muted">
          Time runs to the right. Choose with the arrow keys; <kbd>+</kbd> and <kbd>−</kbd> zoom.
        </span>
        <span class="row">
          <button type="button" class="quiet" aria-disabled={zoom === 0} onClick={() => zoomTo(zoom - 1)}>
            Zoom out
          </button>
          <button
            type="button"
            class="quiet"
            aria-disabled={zoom === ZOOMS.length - 1}
            onClick={() => zoomTo(zoom + 1)}
          >
            Zoom in
          </button>
          {open.size > 0 && (
            <button
              type="button"
              class="quiet"
              onClick={() => {
                setOpen(new Set());
                frame.current?.focus();
              }}
            >
              Fold again
            </button>
          )}
        </span>
      </div>
      <div
        class="scroll"
        ref={frame}
        tabIndex={0}
        role="group"
        aria-label="The session as beads on a string; the list beneath says the same in words"
        onKeyDown={onKeyDown}
        onScroll={follow}
      >
        <svg width={width} height={HEIGHT} viewBox={`0 0 ${String(width)} ${String(HEIGHT)}`} aria-hidden="true">
          <Strand drawn={drawn} />
          {thefts.map(({ item, x }) => (
            <Branch key={item.id} theft={item} x={x} from={originOf(drawn, item)?.x ?? x - step} />
          ))}
          {visible.map(({ item, x }) => (
            <g key={item.id} class={item.id === chosen ? 'item chosen' : 'item'} onClick={() => press(item)}>
              <title>{`${whenOf(item)}: ${sentenceOf(item)}`}</title>
              <rect
                class="hit"
                x={x - step / 2}
                y={STRING - 40}
                width={step}
                height={item.kind === 'theft' ? 150 : 80}
              />
              <Shape item={item} x={x} step={step} />
            </g>
          ))}
        </svg>
      </div>
    </figure>
  );
}
