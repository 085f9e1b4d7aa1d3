import { type SessionPersistence, durationMs } from '../../../api/index.js';
import { type Session, sessionName } from '../../words/session.js';

/** Says that a field holds what the mesh does not act on. */
export type Refuse = (field: string, message: string) => void;

interface Place {
  readonly field: string;
  /** Whose session it is, among all of the mesh. */
  readonly owner: string;
  readonly refuse: Refuse;
}

const TOKEN = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/;
/** What `Path` of a cookie may be: visible ASCII, and nothing that ends the attribute. */
const COOKIE_PATH = /^\/[ -:<-~]*$/;

/** The same in the words of v1.6 and of v1.7. */
interface Words {
  readonly carrier: Session['carrier'];
  readonly name?: string | undefined;
  /** The field that says the name. */
  readonly nameField: string;
  readonly path?: string;
  readonly lifetimeType: string;
  readonly lifetimeField: string;
}

/** GEP-1619, for each of the places where the API has it. Undefined where something of it is refused. */
export function readSession(given: SessionPersistence, place: Place): Session | undefined {
  const words = wordsOf(given);
  const problems = [...problemsOf(given, words), ...problemsOfLifetime(given, words)];
  for (const [part, message] of problems) place.refuse(`${place.field}.${part}`, message);
  if (problems.length > 0) return undefined;
  const { carrier, path, name = sessionName(carrier, place.owner) } = words;
  const lifetimeMs = lifetimeOf(given);
  return {
    carrier,
    name: carrier === 'header' ? name.toLowerCase() : name,
    ...(lifetimeMs === undefined ? {} : { lifetimeMs }),
    ...(words.lifetimeType === 'Permanent' ? { permanent: true } : {}),
    ...(path === undefined ? {} : { path }),
  };
}

function wordsOf(given: SessionPersistence): Words {
  const { type, cookie, header, sessionName: name, cookieConfig } = given;
  const old = { nameField: 'sessionName', name };
  if (type === 'Header') {
    const named = header === undefined ? old : { nameField: 'header.name', name: header.name };
    return { carrier: 'header', ...named, lifetimeType: 'Session', lifetimeField: 'type' };
  }
  if (cookie === undefined) {
    const lifetimeType = cookieConfig?.lifetimeType ?? 'Session';
    return { carrier: 'cookie', ...old, lifetimeType, lifetimeField: 'cookieConfig.lifetimeType' };
  }
  const { lifetimeType, path } = cookie;
  const lifetime = { lifetimeType, lifetimeField: 'cookie.lifetimeType' };
  return { carrier: 'cookie', nameField: 'cookie.name', name: cookie.name, path, ...lifetime };
}

type Found = Generator<readonly [part: string, message: string]>;

function* problemsOf({ type, idleTimeout }: SessionPersistence, words: Words): Found {
  const { name = 'a', nameField, path = '/' } = words;
  if (!['Cookie', 'Header'].includes(type)) yield ['type', `${type} is not supported; use Cookie or Header`];
  if (!TOKEN.test(name)) yield [nameField, `"${name}" is not a valid name; use letters, digits and -`];
  if (!COOKIE_PATH.test(path)) {
    yield ['cookie.path', `"${path}" is not a valid path of a cookie; begin it with / and use no semicolon`];
  }
  if (idleTimeout !== undefined) yield ['idleTimeout', 'is not supported; use absoluteTimeout'];
}

function* problemsOfLifetime(given: SessionPersistence, { lifetimeType, lifetimeField }: Words): Found {
  const { absoluteTimeout = '1s' } = given;
  if (durationMs(absoluteTimeout) === undefined) {
    yield ['absoluteTimeout', `${absoluteTimeout} is not a valid duration; write it as 10m, 1h or 1h30m`];
  } else if (lifetimeType === 'Permanent' && lifetimeOf(given) === undefined) {
    yield ['absoluteTimeout', 'a permanent cookie needs a lifetime; give one above 0s'];
  }
  if (!['Session', 'Permanent'].includes(lifetimeType)) {
    yield [lifetimeField, `${lifetimeType} is not supported; use Session or Permanent`];
  }
}

/** Zero stands for none. */
function lifetimeOf({ absoluteTimeout = '' }: SessionPersistence): number | undefined {
  const ms = durationMs(absoluteTimeout);
  return ms === 0 ? undefined : ms;
}
