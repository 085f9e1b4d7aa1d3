import { useEffect, useState } from 'preact/hooks';
import type { MeshView } from '../mesh-view.js';

/** Between the end of one look and the start of the next. */
const EVERY_MS = 2_000;

export interface Polled {
  /** The last that was read, also while later ones fail. */
  readonly view?: MeshView;
  /** Why the latest look failed. */
  readonly error?: string;
}

/** Reads the mesh again and again while the page is looked at. */
export function useMesh(): Polled {
  const [polled, setPolled] = useState<Polled>({});
  useEffect(() => {
    const stop = new AbortController();
    void poll(setPolled, stop.signal);
    return () => stop.abort();
  }, []);
  return polled;
}

async function poll(set: (update: (last: Polled) => Polled) => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    if (document.visibilityState === 'visible') {
      const next = await read(signal);
      set((last) => ({ ...last, ...next }));
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}

interface Answer {
  readonly view?: MeshView;
  readonly error: string;
}

async function read(signal: AbortSignal): Promise<Answer> {
  try {
    const response = await fetch('/api/mesh', { signal });
    const body: unknown = await response.json();
    return isView(body) ? { view: body, error: '' } : { error: errorIn(body) };
  } catch {
    return { error: '"weft dashboard" does not answer. Start it again; this page then goes on by itself.' };
  }
}

/** Our own server answers, so one look at the shape tells a view from an error. */
function isView(body: unknown): body is MeshView {
  return typeof body === 'object' && body !== null && 'takenAt' in body;
}

function errorIn(body: unknown): string {
  const error = typeof body === 'object' && body !== null && 'error' in body ? body.error : undefined;
  return typeof error === 'string' ? error : 'the answer cannot be read';
}
