type Json = Record<string, unknown>;
type Fields = Map<string, unknown>;

/** Whose configuration is applied to which object. */
export interface Applying {
  readonly object: string;
  readonly manager: string;
  readonly force: boolean;
}

/**
 * Server-side apply as far as our own writes need it: who applied which field last, what a manager no longer applies is
 * removed, and a value that somebody else applied is a conflict unless it is forced. Lists are taken as one value.
 */
export class FieldOwners {
  readonly #applied = new Map<string, Map<string, Fields>>();

  /** The object with `configuration` applied to it, or the field that another manager has set otherwise. */
  apply(
    { object, manager, force }: Applying,
    existing: object | undefined,
    configuration: object,
  ): { readonly object: object } | { readonly conflict: string } {
    const managers = this.#applied.get(object) ?? new Map<string, Fields>();
    const fields: Fields = new Map(leaves(configuration));
    const others = [...managers].filter(([other]) => other !== manager).map(([, theirs]) => theirs);
    const disputed = others.flatMap((theirs) =>
      [...fields].filter(([path, value]) => differs(theirs, path, value)),
    );
    if (disputed[0] !== undefined && !force) return { conflict: disputed[0][0] };
    for (const [path] of disputed) for (const theirs of others) theirs.delete(path);
    const dropped = [...(managers.get(manager)?.keys() ?? [])].filter(
      (path) => !fields.has(path) && !others.some((theirs) => theirs.has(path)),
    );
    const result = changed(existing ?? {}, dropped, fields);
    this.#applied.set(object, managers.set(manager, fields));
    return { object: result };
  }

  /** The object was deleted. */
  forget(object: string): void {
    this.#applied.delete(object);
  }
}

function changed(object: object, dropped: readonly string[], fields: Fields): object {
  const result = structuredClone(object) as Json;
  for (const path of dropped) remove(result, path.split('\0'));
  for (const [path, value] of fields) set(result, path.split('\0'), value);
  return result;
}

function differs(theirs: Fields, path: string, value: unknown): boolean {
  return theirs.has(path) && JSON.stringify(theirs.get(path)) !== JSON.stringify(value);
}

function* leaves(value: unknown, path: readonly string[] = []): Generator<[string, unknown]> {
  if (!isJson(value) || Object.keys(value).length === 0) yield [path.join('\0'), value];
  else for (const [key, inner] of Object.entries(value)) yield* leaves(inner, [...path, key]);
}

function set(into: Json, [first = '', ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) {
    // An empty map that is applied leaves what others have put into it.
    if (!(isJson(value) && isJson(into[first]))) into[first] = value;
    return;
  }
  const inner = into[first];
  const child: Json = isJson(inner) ? inner : {};
  into[first] = child;
  set(child, rest, value);
}

function remove(from: Json, [first = '', ...rest]: readonly string[]): void {
  const inner = from[first];
  if (rest.length === 0) Reflect.deleteProperty(from, first);
  else if (isJson(inner)) remove(inner, rest);
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
