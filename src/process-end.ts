import { MeshError, type Logger } from './base/index.js';

/** Why the process ends. */
export interface End {
  readonly text: string;
  /** It ends because something broke, and not because it was told to. */
  readonly failed: boolean;
}

/** The part of `process` that is listened to. */
export interface ProcessEvents {
  once(event: 'SIGTERM' | 'SIGINT', listener: () => void): unknown;
  on(event: 'uncaughtException' | 'unhandledRejection', listener: (thrown: unknown) => void): unknown;
}

/** The first of: somebody tells us to end, a part fails for good, or an error that nobody caught. */
export function watchForEnd(
  log: Logger,
  events: ProcessEvents,
): {
  readonly reason: Promise<End>;
  readonly fail: (thrown: unknown) => void;
} {
  const { promise: reason, resolve } = Promise.withResolvers<End>();
  let ending = false;
  const end = (why: End): void => {
    ending = true;
    resolve(why);
  };
  const fail = (thrown: unknown): void => {
    const err = MeshError.from(thrown);
    if (!ending) log.fatal({ err }, 'ending because of an error');
    // What is stopped half-way, such as waiting for the first certificate, says that it was.
    else if (err.code !== 'aborted') log.error({ err }, 'an error while ending');
    end({ text: err.message, failed: true });
  };
  events.once('SIGTERM', () => end({ text: 'SIGTERM', failed: false }));
  events.once('SIGINT', () => end({ text: 'SIGINT', failed: false }));
  events.on('uncaughtException', fail);
  events.on('unhandledRejection', fail);
  return { reason, fail };
}
