import { jittered, pause, type Logger } from '../base/index.js';
import type { KubeClient } from './client.js';
import type { AnyInformer } from './informer.js';

export interface SuperviseOptions {
  readonly client: KubeClient;
  readonly informers: readonly Pick<AnyInformer, 'kind' | 'silentSeconds'>[];
  readonly log: Logger;
  /** Called once when this process should be replaced. */
  readonly restart: (reason: string) => void;
  /** Silence from which a restart is considered. Default 600 s; up to half more at random, so that replicas do not go together. */
  readonly silentSeconds?: number;
  /** Default 15 s. */
  readonly checkMs?: number;
}

/**
 * Restarts the process when nothing at all is heard about a kind although the API server answers: then the fault is
 * ours. A kind that the API server refuses has been heard about: a restart would not change its mind. While the API
 * server is down we keep serving what we know; a restart would only lose it.
 */
export async function superviseInformers(options: SuperviseOptions, signal: AbortSignal): Promise<void> {
  const limit = jittered(options.silentSeconds ?? 600, 0.5);
  while (await pause(options.checkMs ?? 15_000, signal)) {
    const silent = options.informers.find((informer) => informer.silentSeconds > limit);
    if (silent === undefined) continue;
    const silentSeconds = Math.round(silent.silentSeconds);
    if (!(await answers(options.client, signal))) {
      options.log.warn({ kind: silent.kind, silentSeconds }, 'the API server does not answer');
      continue;
    }
    options.restart(
      `nothing heard about ${silent.kind} for ${silentSeconds} s although the API server answers`,
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
