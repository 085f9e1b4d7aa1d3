import type { VNode } from 'preact';
import type { HistoryView, Trace } from '../history-view.js';
import { formatPercent, formatRate } from './format.js';

const WIDTH = 120;
const HEIGHT = 26;

type Known = Pick<HistoryView, 'known' | 'partial'>;

const NOTHING: Known = { known: [], partial: [] };

/** A rate over the last half hour as a small curve; what failed of it stands out. The words say the same. */
export function Spark({
  trace,
  history,
  what,
}: {
  trace: Trace | undefined;
  history: Known | undefined;
  /** What is counted, such as `requests of shop/web`. */
  what: string;
}): VNode {
  const { known, partial } = history ?? NOTHING;
  if (known.filter(Boolean).length < 2) return <span class="soft">–</span>;
  const rates = trace?.rates ?? [];
  const failing = trace?.failing ?? [];
  const most = Math.max(...rates, ...failing, 0);
  const text = sparkText(what, trace, { known, partial });
  return (
    <svg
      class="spark"
      width={WIDTH}
      height={HEIGHT}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      role="img"
      aria-label={text}
    >
      <title>{text}</title>
      {known.flatMap((is, minute) =>
        is && partial[minute] !== true
          ? []
          : [
              <rect
                class={is ? 'partial' : 'unknown'}
                x={xOf(minute, known.length)}
                y={HEIGHT - 2}
                width={WIDTH / known.length}
                height={2}
              />,
            ],
      )}
      <path class="rate" d={areaOf(rates, known, most)} />
      <path class="failing" d={areaOf(failing, known, most)} />
    </svg>
  );
}

/** What the curve shows, in words. */
export function sparkText(what: string, trace: Trace | undefined, { known, partial }: Known): string {
  const minutes = known.filter(Boolean).length;
  const parts = partial.filter(Boolean).length;
  const lacking = parts === 0 ? '' : `; ${parts} of them may be incomplete`;
  const span = minutes === 1 ? 'last minute' : `last ${minutes} minutes`;
  if (trace === undefined) return `${what}: nothing in the ${span}${lacking}`;
  const all = trace.rates.reduce((sum, rate) => sum + rate, 0);
  const failed = trace.failing.reduce((sum, rate) => sum + rate, 0);
  const share =
    all > 0 && failed > 0 ? `, ${formatPercent(Math.min(1, failed / all))} of it failed or was refused` : '';
  return `${what}: at most ${formatRate(Math.max(...trace.rates, 0))} per second in the ${span}${share}${lacking}`;
}

function xOf(minute: number, minutes: number): number {
  return (minute / minutes) * WIDTH;
}

/** Steps rather than slopes: each is the mean of a minute. */
function areaOf(values: readonly number[], known: readonly boolean[], most: number): string {
  if (!(most > 0)) return '';
  return values
    .map((value, minute) => {
      if (known[minute] !== true || value === 0) return '';
      const height = Math.max(1, (value / most) * (HEIGHT - 3));
      const left = xOf(minute, values.length);
      const right = xOf(minute + 1, values.length);
      return `M${left.toFixed(1)},${HEIGHT}V${(HEIGHT - height).toFixed(1)}H${right.toFixed(1)}V${HEIGHT}Z`;
    })
    .join('');
}
