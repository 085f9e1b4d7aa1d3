import { MeshError, Pulse, type LogLevel, type Logger, type Looks, type Watched } from '../../base/index.js';
import type { ListenerMetrics } from '../../base/listener/index.js';
import { GrpcCode, type ServerIdentity } from '../../grpc/index.js';
import {
  certificatesFrame,
  helloFrame,
  settingsFrame,
  type FrontCounts,
  type FrontSettings,
  type Untrusted,
} from './frames.js';
import type { FrontMethod } from './front-stream.js';
import { FrontLink } from './link.js';
import type { Front, StartFront } from './program.js';

export interface FrontOptions {
  readonly start: StartFront;
  readonly settings: Omit<FrontSettings, 'paths' | 'logLevel'>;
  readonly identity: Watched<ServerIdentity>;
  readonly methods: readonly FrontMethod[];
  readonly log: Logger;
  readonly listeners?: ListenerMetrics | undefined;
  readonly untrusted: (untrusted: Untrusted) => void;
  /** The front has ended by itself, hangs, or says what no front says: without it no proxy is served. */
  readonly failed: (thrown: unknown) => void;
  /** Default: silent after 10 s, dead after a minute. */
  readonly looks?: Looks | undefined;
}

/** The port for proxies, as the front serves it. */
export interface RunningFront {
  readonly port: number;
  /** Settles when, after the signal, the front has ended. */
  readonly closed: Promise<void>;
  /** Whether it has said something of late. */
  readonly answers: () => boolean;
  /** What cannot be used of the last certificates, so that those before stay in force. */
  readonly notes: () => readonly string[];
  /** Streams that are open. */
  readonly streams: () => number;
}

const BEAT_MS = 1_000;
const LOOKS: Looks = { everyMs: BEAT_MS, unready: 10, dead: 60 };
const START_MS = 10_000;
/** Connections have 5 s to end after the signal. */
const END_MS = 7_000;
const LAST_WORDS_MS = 2_000;
/** Name of the port in metrics. */
const LISTENER = 'configuration';
const UNUSABLE = 'new certificates for the port of proxies cannot be used, and those before stay in force';

/** Starts the front and hands its streams to the methods. Resolves once it listens. */
export async function startFront(options: FrontOptions, signal: AbortSignal): Promise<RunningFront> {
  const { identity, methods, log } = options;
  const front = options.start();
  const { promise: listening, resolve, reject } = Promise.withResolvers<number>();
  let fail = reject;
  let problem = '';
  const ended = new AbortController();
  const pulse = new Pulse(options.looks ?? LOOKS, {
    // Whoever is behind it hears nothing any more: what they acknowledged must not be taken for what they do.
    silent: () =>
      link.finishAll({ code: GrpcCode.unavailable, message: 'the front of this port hangs; reconnect' }),
    dead: () => fail(new MeshError('internal', 'the front of the port for proxies hangs')),
  });
  const link = new FrontLink(front.socket, {
    methods,
    log,
    listening: resolve,
    // Whatever it says shows that it lives: its counts come behind what proxies say, and in a storm that is much.
    heard: () => pulse.beat(),
    counts: counter(options.listeners),
    untrusted: options.untrusted,
    taken: (next) => {
      problem = next;
      if (problem !== '') log.error({ problem }, UNUSABLE);
    },
    lost: (why) => {
      if (why === undefined) {
        // It has something to say of it yet, on its way out.
        killLater(front, LAST_WORDS_MS, ended.signal);
      } else {
        front.kill();
        fail(why);
      }
    },
  });
  link.write(helloFrame());
  const logLevel = log.level as LogLevel;
  link.write(settingsFrame({ ...options.settings, paths: methods.map(({ path }) => path), logLevel }));
  link.write(certificatesFrame(identity.current));
  identity.subscribe((next) => link.write(certificatesFrame(next)), ended.signal);
  const beating = setInterval(() => link.beat(), BEAT_MS).unref();
  const late = setTimeout(
    () => reject(new MeshError('timeout', 'the front does not listen')),
    START_MS,
  ).unref();
  const drain = (): void => {
    link.drain();
    killLater(front, END_MS, ended.signal);
  };
  const closed = front.ended.then((how) => {
    ended.abort();
    clearInterval(beating);
    pulse.stop();
    // The socket has what it said last.
    front.socket.resume();
    if (!signal.aborted) fail(new MeshError('internal', how));
  });
  try {
    const port = await listening;
    fail = options.failed;
    pulse.start();
    if (signal.aborted) drain();
    else signal.addEventListener('abort', drain, { once: true });
    const notes = (): string[] => (problem === '' ? [] : [`${UNUSABLE}: ${problem}`]);
    return { port, closed, answers: () => pulse.isHeard, notes, streams: () => link.size };
  } catch (thrown) {
    front.kill();
    throw thrown;
  } finally {
    clearTimeout(late);
  }
}

function killLater(front: Front, afterMs: number, ended: AbortSignal): void {
  const overdue = setTimeout(() => front.kill(), afterMs).unref();
  ended.addEventListener('abort', () => clearTimeout(overdue), { once: true });
}

/** Enters into the metrics of this process what the front has counted. */
function counter(listeners: ListenerMetrics | undefined): (counts: FrontCounts) => void {
  let open = 0;
  let before: Readonly<Record<string, number>> = {};
  listeners?.watch(LISTENER, () => open);
  return ({ connections, ...refused }) => {
    open = connections;
    for (const [reason, times] of Object.entries(refused)) {
      const more = times - (before[reason] ?? 0);
      if (more > 0) listeners?.refused.inc({ listener: LISTENER, reason }, more);
    }
    before = refused;
  };
}
