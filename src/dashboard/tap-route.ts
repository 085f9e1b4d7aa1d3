import type { RequestHandler, Response } from 'express';
import { z } from 'zod';
import { MeshError, RateLimit } from '../base/index.js';
import type { Knowledge } from './knowledge.js';
import { TAP_VERDICTS, type TapLine, type TapQuestion } from './tap-view.js';

/** Pages that watch at once: a proxy has room for four watchers, and a browser six connections for all its pages of one host. */
const MOST_WATCHERS = 3;
/** Requests that a page is told of at most, of all proxies together. */
const TOLD = { burst: 100, everyMs: 20 };
/** How long after a request was too many a page hears of it at the latest. */
const TELL_MISSED_MS = 250;

const name = z.string().trim().max(300, 'no name is that long').default('');

/** What is asked for becomes a part of paths, so names have to be those of Kubernetes. */
const asked = z.object({
  namespace: z
    .string('say which namespace: ?namespace=shop')
    .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'that is not the name of a namespace'),
  workload: z
    .string()
    .regex(
      /^([A-Za-z]{1,63}\/[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?)?$/,
      'a workload is written Deployment/web',
    )
    .default(''),
  side: z.enum(['', 'caller', 'receiver'], 'a side is caller or receiver').default(''),
  from: name,
  to: name,
  status: z
    .string()
    .trim()
    .regex(/^([1-5]\d\d|[1-5]xx)?$/i, 'a status is written 404, or 5xx')
    .default(''),
  verdict: z.enum(['', ...TAP_VERDICTS], `a verdict is one of ${TAP_VERDICTS.join(', ')}`).default(''),
}) satisfies z.ZodType<TapQuestion>;

/** Answers with one line for each request, until whoever asked is gone: what is watched for nobody is not watched. */
export function tapRoute(knowledge: Pick<Knowledge, 'tap'>, signal: AbortSignal): RequestHandler {
  let watchers = 0;
  return async ({ query }, response) => {
    const { success, data: question, error } = asked.safeParse(query);
    if (!success) {
      response.status(400).json({ error: error.issues[0]?.message });
      return;
    }
    if (watchers >= MOST_WATCHERS) {
      response.status(429).json({ error: `${MOST_WATCHERS} pages watch already: stop one of them` });
      return;
    }
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    watchers += 1;
    try {
      await knowledge.tap(question, linesTo(response), AbortSignal.any([signal, gone.signal]));
      response.end();
    } catch (thrown) {
      if (gone.signal.aborted) return;
      // Nobody may watch, or nothing can be: a status says so while there is still one to give.
      if (!response.headersSent) throw thrown;
      write(response, { kind: 'failed', error: MeshError.from(thrown).message });
      response.end();
    } finally {
      watchers -= 1;
    }
  };
}

/** Writes lines; a page that is slow, or that is told too much, is told how many it missed, also where nothing comes after them. */
function linesTo(response: Response): (line: TapLine) => void {
  const room = new RateLimit(TOLD);
  let missed = 0;
  let telling: NodeJS.Timeout | undefined;
  response.once('close', () => clearTimeout(telling));
  return (line) => {
    if (response.destroyed) return;
    const isTooMuch = response.writableNeedDrain || !room.take('', performance.now());
    if (line.kind === 'request' && isTooMuch) {
      missed += 1;
      telling ??= setTimeout(() => {
        telling = undefined;
        if (!response.writableEnded) write(response, { kind: 'left-out', leftOut: line.leftOut + missed });
      }, TELL_MISSED_MS);
      return;
    }
    write(response, 'leftOut' in line ? { ...line, leftOut: line.leftOut + missed } : line);
  };
}

function write(response: Response, line: TapLine): void {
  if (!response.headersSent) response.type('application/x-ndjson');
  response.write(`${JSON.stringify(line)}\n`);
}
