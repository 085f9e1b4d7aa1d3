import type { z } from 'zod';
import { names } from '../../base/index.js';
import { ofKind, once, type Known, type KnownObject } from './known.js';

/** An object of ours that can be read. */
export interface ReadObject<S> {
  readonly object: KnownObject;
  readonly spec: S;
}

interface OurKind<S> {
  readonly kind: string;
  readonly schema: z.ZodType<{ readonly spec: S }>;
}

/** The objects of a kind of ours that can be read, read once for all rows. */
export function readAs<S>({ objects }: Known, definition: OurKind<S>): readonly ReadObject<S>[] {
  const read = readings(objects);
  const known = read.get(definition) ?? readAll(objects, definition);
  read.set(definition, known);
  return known as readonly ReadObject<S>[];
}

/** What was read of a list, by the definitions of kinds. */
const readings = once((_: readonly KnownObject[]) => new Map<object, readonly ReadObject<unknown>[]>());

function readAll<S>(objects: readonly KnownObject[], { kind, schema }: OurKind<S>): readonly ReadObject<S>[] {
  return ofKind({ objects }, kind, names.API_GROUP).flatMap((object) => {
    const parsed = schema.safeParse(writtenPart(object));
    return parsed.success ? [{ object, spec: parsed.data.spec }] : [];
  });
}

/** What a user writes of an object: without what only the API server does. */
export function writtenPart({ raw: { apiVersion, kind, metadata, spec } }: KnownObject): object {
  const { name = '', namespace } = metadata ?? {};
  return { apiVersion, kind, metadata: { name, ...(namespace === undefined ? {} : { namespace }) }, spec };
}
