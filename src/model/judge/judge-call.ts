import type { AccessCondition, AccessHeader, AccessSubject, RequestConditions } from '../words/access.js';
import type { AccessConfig, AccessGrant, AccessPermission } from '../words/access-config.js';
import { asksAboutRequests, asksForTokens } from '../words/access.js';
import { canonicalIp, ipBytes } from '../words/ip.js';
import { decodedSegment, pathDoubt } from '../words/path-form.js';

/** A call as the proxy of the called pod sees it. */
export interface Call {
  readonly caller: Caller;
  /** Of the pod. */
  readonly port: number;
  /** Absent: bytes that nobody reads as requests. */
  readonly request?: AskedRequest;
}

export interface Caller {
  /** What its certificate proves; absent for whoever has proved nothing. */
  readonly identity?: Identity;
  /** The other end of the connection, where that is known. */
  readonly address?: string;
}

/** `spiffe://<trust domain>/ns/<namespace>/sa/<name>` */
export interface Identity {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly name: string;
}

export interface AskedRequest {
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  /** Lines in the order in which they are sent, names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

type Effect = AccessGrant['effect'];

/** What was found, and by whose word. */
export interface CallVerdict {
  readonly allowed: boolean;
  /** Names of the bindings that decided; none: the default did. */
  readonly by: readonly string[];
  /** Why the path has more than one reading, which is refused whoever calls. Nothing else was asked then. */
  readonly ambiguous?: string;
  /** What would be found if every rule and the default were enforced, where that differs: the opposite, by these. */
  readonly rehearsed?: { readonly by: readonly string[] };
}

/**
 * Judges a call as the proxy of the called pod does (`proxy/src/access.rs`), by what that is told, without its indexes: the algorithm
 * of docs/access.md, one step after the other. `src/wire/golden/verdicts.tsv` holds both to the same answers.
 */
export function judgeCall(access: AccessConfig, call: Call): CallVerdict {
  const ambiguous = call.request === undefined ? undefined : ambiguity(access, call.port, call.request.path);
  if (ambiguous !== undefined) return { allowed: false, by: [], ambiguous };
  const about = access.subjects.filter(({ allOf }) => isSubject(allOf, call));
  const counting = about
    .flatMap(({ grants }) => grants)
    .filter(({ permission, effect }) => {
      const asked = access.permissions[permission];
      return asked !== undefined && permits(asked, effect, call);
    });
  const named = (effect: Effect, modes: readonly AccessGrant['mode'][]): readonly string[] => {
    const own = counting.filter((grant) => grant.effect === effect && modes.includes(grant.mode));
    return [...new Set(own.map(({ binding }) => access.bindings[binding] ?? ''))];
  };
  const found = decide(named('deny', ['enforce']), named('allow', ['enforce']), access.default !== 'deny');
  const all = ['enforce', 'dryRun'] as const;
  const rehearsed = decide(named('deny', all), named('allow', all), access.default === 'allow');
  return rehearsed.allowed === found.allowed ? found : { ...found, rehearsed: { by: rehearsed.by } };
}

function decide(
  denying: readonly string[],
  allowing: readonly string[],
  byDefault: boolean,
): { readonly allowed: boolean; readonly by: readonly string[] } {
  if (denying.length > 0) return { allowed: false, by: denying };
  return allowing.length > 0 ? { allowed: true, by: allowing } : { allowed: byDefault, by: [] };
}

/** Where a rule asks about paths, one that could be read in two ways is refused. */
function ambiguity({ permissions, subjects }: AccessConfig, port: number, path: string): string | undefined {
  const granted = new Set(subjects.flatMap(({ grants }) => grants.map(({ permission }) => permission)));
  const asked = permissions.some(
    ({ ports, paths }, place) => granted.has(place) && paths !== undefined && isAt(ports, port),
  );
  return asked ? pathDoubt(path) : undefined;
}

function isAt(ports: readonly number[], port: number): boolean {
  return ports.length === 0 || ports.includes(port);
}

/**
 * Whether a caller is a subject: all conditions hold. Their trust domains are written out. Calls have no tokens here; bytes never do, so
 * that who is told by one, or by not having it, is no subject of theirs.
 */
export function isSubject(allOf: AccessSubject, { caller, request }: Call): boolean {
  if (request === undefined && asksForTokens(allOf)) return false;
  return allOf.every((condition) => isCaller(condition, caller) !== (condition.inverted === true));
}

function isCaller(condition: AccessCondition, { identity, address }: Caller): boolean {
  switch (condition.kind) {
    case 'anyone':
      return true;
    case 'authenticated':
    case 'unauthenticated':
      return (identity === undefined) === (condition.kind === 'unauthenticated');
    case 'ipBlock':
      return isInBlock(address, condition);
    case 'jwt':
      return false;
    case 'serviceAccount':
    case 'namespace':
    case 'trustDomain':
      return identity !== undefined && isNamed(condition, identity);
  }
}

type NamingCondition = Extract<
  AccessCondition,
  { readonly kind: 'serviceAccount' | 'namespace' | 'trustDomain' }
>;

function isNamed(condition: NamingCondition, { trustDomain, namespace, name }: Identity): boolean {
  if (condition.kind === 'trustDomain') return trustDomain === condition.name;
  if (trustDomain !== condition.trustDomain) return false;
  if (condition.kind === 'namespace') return namespace === condition.name;
  return namespace === condition.namespace && name === condition.name;
}

function isInBlock(
  address: string | undefined,
  block: { readonly address: string; readonly length: number },
): boolean {
  const canonical = address === undefined ? undefined : canonicalIp(address);
  if (canonical === undefined) return false;
  const [ours, theirs] = [bitsOf(block.address), bitsOf(canonical)];
  return ours.length === theirs.length && ours.slice(0, block.length) === theirs.slice(0, block.length);
}

function bitsOf(canonical: string): string {
  return [...ipBytes(canonical)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
}

/** Whether a permission holds for what is asked. What denies is read as widely as an application might, what allows as narrowly. */
export function permits(permission: AccessPermission, effect: Effect, { port, request }: Call): boolean {
  if (!isAt(permission.ports, port)) return false;
  if (request === undefined) return !asksAboutRequests(permission);
  return unmet(permission, effect, request).length === 0;
}

/** What a rule asks of requests and this one does not have. */
export function unmet(
  { methods, paths, headers }: RequestConditions,
  effect: Effect,
  request: AskedRequest,
): readonly ('methods' | 'paths' | 'headers')[] {
  const equal = effect === 'deny' ? sameInAnyCase : same;
  const holding = {
    methods: methods?.some((one) => equal(one, request.method)),
    paths: paths?.some((pattern) => matchesPath(pattern, effect, request.path)),
    headers: headers?.every((rule) => hasHeader(rule, effect, request.headers)),
  };
  return (['methods', 'paths', 'headers'] as const).filter((field) => holding[field] === false);
}

function matchesPath(pattern: string, effect: Effect, path: string): boolean {
  const wide = effect === 'deny';
  const below = pattern.endsWith('/*');
  const steps = segmentsOf(below ? pattern.slice(0, -'/*'.length) : pattern);
  // To applications that route widely, a slash at the end is as good as none.
  if (wide && !below && steps.at(-1) === '') steps.pop();
  const segments = segmentsOf(path);
  const left = segments.length - steps.length;
  const begins = steps.every((step, index) => matchesStep(step, segments[index], wide));
  return path.startsWith('/') && begins && (below ? left > 0 || wide : endsThere(segments, left, wide));
}

function segmentsOf(path: string): string[] {
  return path === '' ? [] : path.slice(1).split('/');
}

function endsThere(segments: readonly string[], left: number, wide: boolean): boolean {
  return left === 0 || (wide && left === 1 && segments.at(-1) === '');
}

function matchesStep(step: string, segment: string | undefined, wide: boolean): boolean {
  if (segment === undefined) return false;
  if (step === '{}') return segment !== '';
  return (wide ? sameInAnyCase : same)(decodedSegment(step), decodedSegment(segment));
}

/** What allows holds for each line as it stands, and there is one; what denies for one member of a list at least. */
function hasHeader(rule: AccessHeader, effect: Effect, headers: AskedRequest['headers']): boolean {
  const lines = headers.flatMap(([name, value]) => (name === rule.name ? [value] : []));
  if (effect === 'allow') return lines.length > 0 && lines.every((line) => hasValue(rule, line, same));
  return lines.some((line) =>
    [line, ...line.split(',')].some((member) => hasValue(rule, trimmed(member), sameInAnyCase)),
  );
}

function hasValue(
  { condition }: AccessHeader,
  value: string,
  equal: (a: string, b: string) => boolean,
): boolean {
  if (condition.kind === 'present') return true;
  const compared = condition.kind === 'exact' ? value : value.slice(0, condition.value.length);
  return equal(compared, condition.value);
}

function same(a: string, b: string): boolean {
  return a === b;
}

/** Of ASCII only: a letter of another alphabet that looks like one is another. */
function sameInAnyCase(a: string, b: string): boolean {
  return lower(a) === lower(b);
}

function lower(text: string): string {
  return text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function trimmed(text: string): string {
  return text.replaceAll(/^[ \t\n\f\r]+|[ \t\n\f\r]+$/g, '');
}
