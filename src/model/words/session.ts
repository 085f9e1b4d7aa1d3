import { createHash } from 'node:crypto';

/** Requests of one session keep to one endpoint of their route, whatever weights and balancing say (GEP-1619). */
export interface Session {
  readonly carrier: 'cookie' | 'header';
  /** Of the cookie, or of the header in lower case. */
  readonly name: string;
  /** After the first answer; absent: the session never ends. */
  readonly lifetimeMs?: number;
  /** A browser keeps the cookie when it is closed, as long as the session lasts. */
  readonly permanent?: true;
  /** The cookie is for the path by which the route was taken; else browsers choose. */
  readonly byPath?: true;
  /** The cookie is for this path. */
  readonly path?: string;
}

/** A name for who gives none. `owner` says whose the session is, such as the kind, namespace and name of an object. */
export function sessionName(carrier: Session['carrier'], owner: string): string {
  const own = createHash('sha256').update(owner).digest('hex').slice(0, 8);
  return carrier === 'cookie' ? `weft-session-${own}` : `x-session-${own}`;
}
