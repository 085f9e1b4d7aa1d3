import type { VNode } from 'preact';
import type { HistoryView, Trace } from '../history-view.js';
import { formatRate } from './format.js';
import { sparkText } from './spark.js';

const WIDTH = 900;
const HEIGHT = 130;
const FLOOR = HEIGHT - 20;
const MINUTE_MS = 60_000;

/** A moment that is marked on the axis of time. */
export interface Mark {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The number by which the list below names it. */
  readonly label: string;
  readonly strong: boolean;
}

/** The last half hour of a call by the minute, what failed of it, and when something was changed. */
export function Timeline({
  trace,
  history,
  marks,
  what,
}: {
  trace: Trace | undefined;
  history: HistoryView;
  marks: readonly Mark[];
  what: string;
}): VNode {
  const { known } = history;
  const rates = trace?.rates ?? [];
  const failing = trace?.failing ?? [];
  const most = Math.max(...rates, ...failing, 0);
  const from = Date.parse(history.endedAt) - known.length * MINUTE_MS;
  const xOf = (at: number): number => ((at - from) / (known.length * MINUTE_MS)) * WIDTH;
  const text = `${sparkText(what, trace, history)}; ${marks.length} changes`;
  return (
    <div class="timeline" tabIndex={0} role="group" aria-label="Timeline, scrolls">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={text}>
        {[0, 10, 20, 30].map((minute) => (
          <Tick key={minute} x={(minute / 30) * WIDTH} text={minute === 30 ? 'now' : `−${30 - minute} min`} />
        ))}
        <path class="rate" d={bars(rates, most)} />
        <path class="failing" d={bars(failing, most)} />
        <text class="most" x={4} y={12}>
          {most > 0 ? `${formatRate(most)}/s` : 'nothing'}
        </text>
        {marks.map((mark) => (
          <Marked
            key={`${mark.label} ${mark.at}`}
            x={Math.min(WIDTH - 10, Math.max(10, xOf(mark.at)))}
            mark={mark}
          />
        ))}
      </svg>
    </div>
  );
}

function Tick({ x, text }: { x: number; text: string }): VNode {
  const anchor = x === 0 ? 'start' : x === WIDTH ? 'end' : 'middle';
  return (
    <>
      <path class="tick" d={`M${x},${FLOOR}v4`} />
      <text class="tick" x={x} y={HEIGHT - 3} text-anchor={anchor}>
        {text}
      </text>
    </>
  );
}

function Marked({ x, mark: { label, strong } }: { x: number; mark: Mark }): VNode {
  return (
    <g class={strong ? 'change strong' : 'change'}>
      <path d={`M${x.toFixed(1)},18V${FLOOR}`} />
      <circle cx={x} cy={10} r={9} />
      <text x={x} y={14} text-anchor="middle">
        {label}
      </text>
    </g>
  );
}

function bars(values: readonly number[], most: number): string {
  if (!(most > 0)) return '';
  const width = WIDTH / values.length;
  return values
    .map((value, minute) => {
      if (value === 0) return '';
      const height = Math.max(1.5, (value / most) * (FLOOR - 26));
      const x = minute * width;
      return `M${x.toFixed(1)},${FLOOR}V${(FLOOR - height).toFixed(1)}H${(x + width).toFixed(1)}V${FLOOR}Z`;
    })
    .join('');
}
