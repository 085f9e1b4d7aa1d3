import { useEffect, useState } from 'preact/hooks';
import type { TapLine } from '../tap-view.js';
import { NOTHING_HEARD, heard, type Live } from './live-rows.js';
import { errorIn, SILENT } from './poll.js';

/** What came is shown so often, however much it is. */
const SHOWN_EVERY_MS = 200;

/** A time for which somebody watches: the same again is another. */
export interface Watch {
  readonly path: string;
}

/** What is heard of requests while a watch is given. It ends with it, and with the page: whoever has left watches nothing. */
export function useTap(watch: Watch | undefined): Live {
  const [live, setLive] = useState<Live>(NOTHING_HEARD);
  useEffect(() => {
    if (watch === undefined) {
      setLive((last) => ({ ...last, state: last.state === 'none' ? 'none' : 'ended' }));
      return;
    }
    const stop = new AbortController();
    const waiting: TapLine[] = [];
    const show = (): void => {
      const lines = waiting.splice(0);
      if (lines.length > 0) setLive((last) => heard(last, lines));
    };
    setLive({ ...NOTHING_HEARD, state: 'asking' });
    const showing = setInterval(show, SHOWN_EVERY_MS);
    void listen(watch.path, (line) => waiting.push(line), stop.signal);
    return () => {
      stop.abort();
      clearInterval(showing);
    };
  }, [watch]);
  return live;
}

async function listen(path: string, hear: (line: TapLine) => void, signal: AbortSignal): Promise<void> {
  try {
    const response = await fetch(path, { signal });
    if (!response.ok || response.body === null) {
      hear({ kind: 'failed', error: errorIn(await response.json()) });
      return;
    }
    let ended = false;
    for await (const line of linesOf(response.body)) {
      hear(line);
      ended = line.kind === 'ended' || line.kind === 'failed';
    }
    if (!ended) hear({ kind: 'failed', error: SILENT });
  } catch {
    hear({ kind: 'failed', error: SILENT });
  }
}

async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<TapLine, void, undefined> {
  const reader = body.getReader();
  const text = new TextDecoder();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + text.decode(value, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    // Our own server wrote them, in the shape that it shares with this page.
    for (const line of lines) yield JSON.parse(line) as TapLine;
  }
}
