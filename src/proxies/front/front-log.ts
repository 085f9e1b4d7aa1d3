import type { Readable } from 'node:stream';
import { createInterface } from 'node:readline';
import { RateLimit, type Logger } from '../../base/index.js';

/** Of a line. */
const MOST_CHARACTERS = 2_048;
/** As the front writes what it logs: time, level, the rest. */
const LINE = /^\S+Z +(TRACE|DEBUG|INFO|WARN|ERROR) (.*)$/;
const LEVELS: ReadonlyMap<string, 'trace' | 'debug' | 'info' | 'warn'> = new Map([
  ['TRACE', 'trace'],
  ['DEBUG', 'debug'],
  ['INFO', 'info'],
  ['WARN', 'warn'],
]);

/** Lines at once, then one in so many milliseconds: whatever makes the front write must not fill the node's disk. */
const PACE = { burst: 200, everyMs: 50 };

/** Passes on to the log of this process what the front writes; a line that it has not logged, such as its last words, is an error. */
export function passOn(lines: Readable, log: Logger): void {
  const pace = new RateLimit(PACE);
  let omitted = 0;
  createInterface({ input: lines, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) => {
    const [, level = '', said = line] = LINE.exec(line) ?? [];
    if (level !== '' && !pace.take('', performance.now())) {
      omitted += 1;
      return;
    }
    log[LEVELS.get(level) ?? 'error'](omitted > 0 ? { omitted } : {}, said.slice(0, MOST_CHARACTERS));
    omitted = 0;
  });
}
