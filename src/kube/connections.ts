import { createHash } from 'node:crypto';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent, type RequestOptions } from 'node:https';

/**
 * What a connection is for. Each purpose has connections of its own, so that a crowd of one kind of request never waits
 * in front of another: a thousand token reviews must not cost us the lease.
 */
export type Lane = 'ordinary' | 'review' | 'lease' | 'watch' | 'namespace';

/**
 * Connections at once for each purpose; more requests wait for one of them. The API server speaks HTTP/1.1 with us, so
 * this is also the number of requests at once: enough for its latency, too few to hurt one that is slow already.
 */
export const MAX_CONNECTIONS: Readonly<Record<Lane, number>> = {
  ordinary: 16,
  review: 16,
  lease: 2,
  // One for each kind, and logs that the CLI follows.
  watch: 64,
  // One for each namespace in which objects of a kind are followed. Those above are only listed, again and again.
  namespace: 512,
};

/** Connections to the API server, kept and shared; new certificates (an exec plugin renewed them) start new ones. */
export class Connections {
  #key = '';
  readonly #agents = new Map<Lane, HttpAgent | HttpsAgent>();

  /** The agent for a purpose. `plain`: the server speaks HTTP without TLS. */
  agent(lane: Lane, options: RequestOptions, plain: boolean): HttpAgent | HttpsAgent {
    const tls = {
      ca: options.ca,
      cert: options.cert,
      key: options.key,
      pfx: options.pfx,
      passphrase: options.passphrase,
      servername: options.servername,
      rejectUnauthorized: options.rejectUnauthorized ?? true,
    };
    const key = createHash('sha256').update(JSON.stringify(tls)).digest('hex');
    if (this.#key !== key) {
      this.close();
      this.#key = key;
    }
    const existing = this.#agents.get(lane);
    if (existing !== undefined) return existing;
    const settings = {
      keepAlive: true,
      keepAliveMsecs: 30_000,
      maxSockets: MAX_CONNECTIONS[lane],
      maxFreeSockets: 4,
      timeout: 0,
    };
    const agent = plain ? new HttpAgent(settings) : new HttpsAgent({ ...settings, ...dropUndefined(tls) });
    this.#agents.set(lane, agent);
    return agent;
  }

  /** Closes idle and busy connections. */
  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }
}

function dropUndefined<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}
