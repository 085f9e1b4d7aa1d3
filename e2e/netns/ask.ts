import { once } from 'node:events';
import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import { text } from 'node:stream/consumers';

/** What something that runs in a pod said of itself. */
export interface Said {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Where, and how; `millis` is how long the whole answer may take. */
export type Question = Pick<RequestOptions, 'host' | 'port' | 'socketPath' | 'method' | 'path'> & {
  readonly millis: number;
};

/** Asks once, over a connection of its own. Throws a `TimeoutError` when it takes too long. */
export async function ask({ millis, ...where }: Question, body?: object): Promise<Said> {
  const signal = AbortSignal.timeout(millis);
  const asked = request({ ...where, agent: false, signal });
  // Also when the answer has begun, whose reader is told in its own way.
  asked.on('error', () => undefined);
  asked.end(body === undefined ? undefined : JSON.stringify(body));
  try {
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    return { status: answer.statusCode ?? 0, headers: answer.headers, body: await text(answer) };
  } catch (thrown) {
    signal.throwIfAborted();
    throw thrown;
  }
}
