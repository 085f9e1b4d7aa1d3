import { jittered, pause, type Logger } from '../base/index.js';
import type { KubeClient } from './client.js';

export interface SuperviseOptions {
  readonly client: KubeClient;
  readonly informers: readonly { readonly kind: string; readonly staleSeconds: number }[];
  readonly log: Logger;
  /** Called once when this process should be replaced. */
  readonly restart: (reason: string) => void;
  /** Staleness from which a restart is considered. Default 600 s; up to half more at random, so that replicas do not go together. */
  readonly staleSeconds?: number;
  /** Default 15 s. */
  readonly checkMs?: number;
}

/**
 * Restarts the process when a cache stays stale although the API server answers: then the fault is ours. While the
 * API server is down we keep serving what we know; a restart would only lose it.
 */
export async function superviseInformers(options: SuperviseOptions, signal: AbortSignal): Promise<void> {
  const limit = jittered(options.staleSeconds ?? 600, 0.5);
  while (await pause(options.checkMs ?? 15_000, signal)) {
    const stale = options.informers.find((informer) => informer.staleSeconds > limit);
    if (stale === undefined) continue;
    if (!(await answers(options.client, signal))) {
      options.log.warn(
        { kind: stale.kind, staleSeconds: Math.round(stale.staleSeconds) },
        'the API server does not answer',
      );
      continue;
    }
    options.restart(
      `nothing heard about ${stale.kind} for ${Math.round(stale.staleSeconds)} s although the API server answers`,
    );
    return;
  }
}

async function answers(client: KubeClient, signal: AbortSignal): Promise<boolean> {
  try {
    await client.request({ path: '/version', signal, timeoutMs: 5_000 });
    return true;
  } catch {
    return false;
  }
}
