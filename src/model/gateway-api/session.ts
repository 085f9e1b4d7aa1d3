import { type SessionPersistence, durationMs } from '../../api/index.js';
import { type Session, sessionName } from '../session.js';

/** Says that a field holds what the mesh does not act on. */
export type Refuse = (field: string, message: string) => void;

interface Place {
  readonly field: string;
  /** Whose session it is, among all of the mesh. */
  readonly owner: string;
  readonly refuse: Refuse;
}

const TOKEN = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/;

/** GEP-1619, for each of the places where the API has it. Undefined where something of it is refused. */
export function readSession(given: SessionPersistence, place: Place): Session | undefined {
  const problems = [...problemsOf(given)];
  for (const [part, message] of problems) place.refuse(`${place.field}.${part}`, message);
  if (problems.length > 0) return undefined;
  const carrier = given.type === 'Header' ? 'header' : 'cookie';
  const name = given.sessionName ?? sessionName(carrier, place.owner);
  const lifetimeMs = lifetimeOf(given);
  return {
    carrier,
    name: carrier === 'header' ? name.toLowerCase() : name,
    ...(lifetimeMs === undefined ? {} : { lifetimeMs }),
    ...(isPermanent(given) ? { permanent: true } : {}),
  };
}

function* problemsOf(given: SessionPersistence): Generator<readonly [part: string, message: string]> {
  const { type, sessionName: name = 'a', idleTimeout } = given;
  if (!['Cookie', 'Header'].includes(type)) yield ['type', `${type} is not supported; use Cookie or Header`];
  if (!TOKEN.test(name)) yield ['sessionName', `"${name}" is no name; use letters, digits and -`];
  if (idleTimeout !== undefined) yield ['idleTimeout', 'is not supported; use absoluteTimeout'];
  yield* problemsOfLifetime(given);
}

function* problemsOfLifetime(given: SessionPersistence): Generator<readonly [part: string, message: string]> {
  const { absoluteTimeout = '1s', cookieConfig } = given;
  const lifetime = cookieConfig?.lifetimeType ?? 'Session';
  if (durationMs(absoluteTimeout) === undefined) {
    yield ['absoluteTimeout', `${absoluteTimeout} is no duration; write it as 10m, 1h or 1h30m`];
  } else if (isPermanent(given) && lifetimeOf(given) === undefined) {
    yield ['absoluteTimeout', 'a permanent cookie needs an end; give one above 0s'];
  }
  if (!['Session', 'Permanent'].includes(lifetime)) {
    yield ['cookieConfig.lifetimeType', `${lifetime} is not supported; use Session or Permanent`];
  }
}

/** Zero stands for none. */
function lifetimeOf({ absoluteTimeout = '' }: SessionPersistence): number | undefined {
  const ms = durationMs(absoluteTimeout);
  return ms === 0 ? undefined : ms;
}

function isPermanent({ type, cookieConfig }: SessionPersistence): boolean {
  return type === 'Cookie' && cookieConfig?.lifetimeType === 'Permanent';
}
