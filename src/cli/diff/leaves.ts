/** What is different at one place. */
export interface Change {
  /** As in `route v2: timeouts.request`. */
  readonly what: string;
  /** Absent: it was not there. */
  readonly before?: string;
  /** Absent: it goes away. */
  readonly after?: string;
}

/** What differs between two values that are made to be shown, each change in a line. */
export function changesBetween(before: unknown, after: unknown): readonly Change[] {
  const [was, becomes] = [leavesOf(before), leavesOf(after)];
  const places = [...new Set([...was.keys(), ...becomes.keys()])];
  return places.flatMap((what) => {
    const [old, now] = [was.get(what), becomes.get(what)];
    if (old === now) return [];
    return [
      {
        what,
        ...(old === undefined ? {} : { before: old }),
        ...(now === undefined ? {} : { after: now }),
      },
    ];
  });
}

/** The texts, numbers and lists of a value, by where they are. */
function leavesOf(value: unknown, place = ''): ReadonlyMap<string, string> {
  if (value === undefined) return new Map();
  if (Array.isArray(value) && value.some((item) => typeof item === 'object' && item !== null)) {
    return joined(value.map((item: unknown, index) => leavesOf(item, `${place}[${index}]`)));
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const entries = Object.entries(value).filter(([, held]) => held !== undefined);
    // Something without parts is a word, too: `adaptiveConcurrency: {}`.
    if (entries.length === 0) return place === '' ? new Map() : new Map([[place, 'on']]);
    return joined(entries.map(([key, held]) => leavesOf(held, placeOf(place, key))));
  }
  return new Map([[withoutUnit(place), textOf(place, value)]]);
}

function joined(maps: readonly ReadonlyMap<string, string>[]): ReadonlyMap<string, string> {
  return new Map(maps.flatMap((map) => [...map]));
}

/** What is in something with a name of its own, such as `route v2`, is told from that by a colon. */
function placeOf(place: string, key: string): string {
  if (place === '') return key;
  return place.includes(' ') && !place.includes(': ') ? `${place}: ${key}` : `${place}.${key}`;
}

function withoutUnit(place: string): string {
  return place.replace(/Ms$/, '');
}

function textOf(place: string, value: unknown): string {
  if (typeof value === 'number' && place.endsWith('Ms')) return duration(value);
  if (Array.isArray(value)) return value.map(String).join(', ') || 'none';
  return String(value);
}

function duration(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}
