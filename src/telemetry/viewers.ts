import { createHash } from 'node:crypto';
import { RateLimit, names, type Clock } from '../base/index.js';
import type { TokenReviewer } from '../identity/index.js';

export interface ViewersOptions {
  /** Asks the API server about a token. */
  readonly review: TokenReviewer;
  /** The account whose tokens let in: `system:serviceaccount:<namespace>:<name>`. */
  readonly username: string;
  readonly clock: Clock;
}

/** Why somebody may not look, with the HTTP status that says so. */
export interface Refused {
  readonly status: 401 | 403 | 429 | 503;
  readonly message: string;
}

/** A token that was found good is not asked about again for so long. */
const REMEMBERED_MS = 60_000;
const MOST_REMEMBERED = 64;
/** Anybody in the cluster may send us tokens; the API server is asked about few of them. */
const REVIEWS = { burst: 20, everyMs: 250 };

/**
 * Who may see the traffic of the mesh: whoever may have a token made for the account of viewers, which is what RBAC guards. The account
 * itself may do nothing, and its tokens are for nobody but us.
 */
export class Viewers {
  readonly #options: ViewersOptions;
  readonly #reviews = new RateLimit(REVIEWS);
  /** Hashes of good tokens, with until when they are believed. */
  readonly #known = new Map<string, number>();

  constructor(options: ViewersOptions) {
    this.#options = options;
  }

  /** Undefined: let in. */
  async refusal(token: string | undefined, signal: AbortSignal): Promise<Refused | undefined> {
    if (token === undefined || token === '')
      return { status: 401, message: `send a token for audience ${names.VIEW_AUDIENCE}` };
    const { clock } = this.#options;
    const hash = createHash('sha256').update(token).digest('base64');
    if ((this.#known.get(hash) ?? 0) > clock.monotonic()) return undefined;
    this.#known.delete(hash);
    if (!this.#reviews.take('', clock.monotonic()))
      return { status: 429, message: 'too many tokens were sent; try again in a moment' };
    const refused = await this.#review(token, signal);
    if (refused === undefined) this.#remember(hash);
    return refused;
  }

  async #review(token: string, signal: AbortSignal): Promise<Refused | undefined> {
    const { review, username } = this.#options;
    const audience = names.VIEW_AUDIENCE;
    const status = await review(token, audience, signal).catch(() => undefined);
    if (status === undefined)
      return { status: 503, message: 'the API server could not be asked about the token' };
    // An API server that does not know audiences leaves them out, and would take any token for one of ours.
    if (status.authenticated !== true || status.audiences?.includes(audience) !== true)
      return { status: 401, message: `the token is not valid for audience ${audience}` };
    if (status.user?.username !== username)
      return { status: 403, message: `the token is not one of ${username}` };
    return undefined;
  }

  #remember(hash: string): void {
    const now = this.#options.clock.monotonic();
    for (const [known, until] of this.#known)
      if (until <= now || this.#known.size >= MOST_REMEMBERED) this.#known.delete(known);
    this.#known.set(hash, now + REMEMBERED_MS);
  }
}
