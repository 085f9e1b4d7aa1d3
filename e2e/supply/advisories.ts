import { z } from 'zod';

// Which advisories concern what the lock files name, as the database of OSV has them: npm's, RustSec's and Go's in one.

/** A package at a version. */
export interface Locked {
  readonly ecosystem: 'npm' | 'crates.io' | 'Go';
  readonly name: string;
  readonly version: string;
}

/** An advisory with which we live for a while, until a last day. */
export type Accepted = z.infer<typeof accepted>[number];
const accepted = z
  .array(z.strictObject({ id: z.string(), because: z.string(), until: z.iso.date() }))
  .readonly();

/** Those that a file accepts; throws where one of them has no reason or no day, which would be for ever. */
export function acceptedIn(file: string): readonly Accepted[] {
  return accepted.parse(JSON.parse(file));
}

/** What an advisory concerns. */
export interface Finding {
  readonly id: string;
  readonly of: Locked;
}

/** As many as the database takes at once. */
const AT_ONCE = 1000;
const PATIENCE_MS = 60_000;

export function ofNpm(lock: string): readonly Locked[] {
  const { packages } = JSON.parse(lock) as {
    packages: Readonly<Record<string, { name?: string; version?: string }>>;
  };
  return Object.entries(packages).flatMap(([path, { version, name: own }]) => {
    // An alias is no package; the lock file says which one it stands for.
    const name = own ?? path.split('node_modules/').at(-1) ?? '';
    return path === '' || version === undefined ? [] : [{ ecosystem: 'npm' as const, name, version }];
  });
}

/** Those of the registry; what is in this repository no advisory is about. */
export function ofCargo(lock: string): readonly Locked[] {
  return lock.split('[[package]]').flatMap((part) => {
    const of = (field: string): string | undefined => new RegExp(`^${field} = "(.*)"$`, 'm').exec(part)?.[1];
    const [name, version] = [of('name'), of('version')];
    return name === undefined || version === undefined || of('source') === undefined
      ? []
      : [{ ecosystem: 'crates.io' as const, name, version }];
  });
}

export function ofGo(mod: string): readonly Locked[] {
  const required = mod.matchAll(/^(?:require )?\t?([^\s/]+\.[^\s/]+(?:\/\S*)?) v(\S+)/gm);
  return [...required].map(([, name = '', version = '']) => ({ ecosystem: 'Go', name, version }));
}

/** Asks about all of them. Throws unless there is an answer about each: silence must not look like health. */
export async function ask(url: string, locked: readonly Locked[]): Promise<readonly Finding[]> {
  const found: Finding[] = [];
  for (let from = 0; from < locked.length; from += AT_ONCE)
    found.push(...(await askAtOnce(url, locked.slice(from, from + AT_ONCE))));
  return found;
}

async function askAtOnce(url: string, some: readonly Locked[]): Promise<readonly Finding[]> {
  const queries = some.map(({ ecosystem, name, version }) => ({ package: { ecosystem, name }, version }));
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ queries }),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  const { results = [] } = (await response.json()) as {
    results?: readonly { vulns?: readonly { id: string }[]; next_page_token?: string }[];
  };
  if (results.some((result) => result.next_page_token !== undefined))
    throw new Error(`${url} has more to say of a package than it says at once`);
  if (results.length !== some.length)
    throw new Error(`${url} answers about ${results.length} packages of ${some.length}`);
  return some.flatMap((of, index) => (results[index]?.vulns ?? []).map(({ id }) => ({ id, of })));
}

/** What stands in the way, one a line: advisories that nobody has accepted, or not for today, and words about none. */
export function objections(
  found: readonly Finding[],
  accepted: readonly Accepted[],
  today: string,
): readonly string[] {
  const open = found.flatMap(({ id, of: { ecosystem, name, version } }) => {
    const word = accepted.find((one) => one.id === id);
    const what = `${ecosystem} ${name} ${version}: https://osv.dev/${id}`;
    if (word === undefined) return [what];
    return word.until < today ? [`${what}, accepted until ${word.until} only (${word.because})`] : [];
  });
  const idle = accepted.filter(({ id }) => !found.some((one) => one.id === id));
  return [
    ...open,
    ...idle.map(({ id }) => `${id} is accepted but no longer applies: take it off e2e/supply/accepted.json`),
  ];
}
