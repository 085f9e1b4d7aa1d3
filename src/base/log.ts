import { pino, stdTimeFunctions, type DestinationStream, type Level, type Logger as PinoLogger } from 'pino';

export type Logger = PinoLogger;
export type LogLevel = Level | 'silent';

/** Fields that hold secrets where an object that carries them is logged by mistake. */
const SECRET = [
  'token',
  '*.token',
  'data',
  '*.data',
  'key',
  '*.key',
  'headers.authorization',
  '*.headers.authorization',
];

/**
 * One JSON object a line on standard output. Make a child per room (`log.child({ room: 'xds' })`).
 * Errors go under `err`, so that the cause chain is kept.
 */
export function createLogger(options: { level?: LogLevel; destination?: DestinationStream } = {}): Logger {
  const settings = {
    level: options.level ?? 'info',
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: SECRET, censor: '[secret]' },
  };
  return options.destination === undefined ? pino(settings) : pino(settings, options.destination);
}
