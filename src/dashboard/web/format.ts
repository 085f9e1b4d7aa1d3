/** Numbers as a person reads them. What is not known is a dash. */
const NOTHING = '–';

export function formatRate(perSecond: number): string {
  if (perSecond === 0) return '0';
  if (perSecond < 0.1) return '<0.1';
  if (perSecond < 10) return perSecond.toFixed(1);
  return grouped(perSecond);
}

/** Never rounds a failure away: 99.999 % is not 100 %. */
export function formatPercent(share: number | undefined): string {
  if (share === undefined) return NOTHING;
  const percent = share * 100;
  if (percent >= 100 || percent === 0) return `${percent} %`;
  const digits = percent >= 99 ? 2 : 1;
  const rounded = Number(percent.toFixed(digits));
  if (rounded >= 100) return '>99.99 %';
  return rounded === 0 ? '<0.1 %' : `${rounded.toFixed(digits)} %`;
}

export function formatMs(ms: number | undefined): string {
  if (ms === undefined) return NOTHING;
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms >= 10 ? ms.toFixed(0) : ms.toPrecision(2)} ms`;
}

/** Whole years, days, hours or minutes: of each two at least, before the smaller one is told. */
export function formatSpan(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  const days = Math.floor(minutes / 1_440);
  if (days >= 730) return `${Math.floor(days / 365)} years`;
  if (days >= 2) return `${days} days`;
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`;
}

/** A name with at most so many characters, the last of which then says that there is more. */
export function shorten(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}

function grouped(value: number): string {
  return Math.round(value).toLocaleString('en').replaceAll(',', '\u202f');
}
