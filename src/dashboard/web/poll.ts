import { useEffect, useState } from 'preact/hooks';

/** Nobody answers. */
export const SILENT = '"weft dashboard" does not answer. Start it again; this page then goes on by itself.';

export interface Polled<T> {
  /** The last that was read, also while later ones fail. */
  readonly value?: T;
  /** Why the latest look failed. */
  readonly error?: string;
}

/** Reads something of ours again and again while the page is looked at; another path begins again, none reads nothing. */
export function usePolled<T>(path: string | undefined, everyMs: number): Polled<T> {
  const [polled, setPolled] = useState<Polled<T> & { readonly path?: string | undefined }>({});
  useEffect(() => {
    if (path === undefined) return;
    const stop = new AbortController();
    const set = (answer: Answer<T>): void =>
      setPolled((last) => ({ ...(last.path === path ? last : {}), ...answer, path }));
    void poll(path, { everyMs, set, signal: stop.signal });
    return () => stop.abort();
  }, [path, everyMs]);
  return polled.path === path ? polled : {};
}

interface Polling<T> {
  /** Between the end of one look and the start of the next. */
  readonly everyMs: number;
  readonly set: (answer: Answer<T>) => void;
  readonly signal: AbortSignal;
}

async function poll<T>(path: string, { everyMs, set, signal }: Polling<T>): Promise<void> {
  const stopped = (): boolean => signal.aborted;
  while (!stopped()) {
    if (document.visibilityState === 'visible') {
      const answer = await read<T>(path, signal);
      if (!stopped()) set(answer);
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

interface Answer<T> {
  readonly value?: T;
  readonly error: string;
}

async function read<T>(path: string, signal: AbortSignal): Promise<Answer<T>> {
  try {
    const response = await fetch(path, { signal });
    const body: unknown = await response.json();
    // Our own server answers, in the shape that it shares with this page.
    return response.ok ? { value: body as T, error: '' } : { error: errorIn(body) };
  } catch {
    return { error: SILENT };
  }
}

/** What an answer that is none says of why. */
export function errorIn(body: unknown): string {
  const error = typeof body === 'object' && body !== null && 'error' in body ? body.error : undefined;
  return typeof error === 'string' ? error : 'the answer cannot be read';
}
