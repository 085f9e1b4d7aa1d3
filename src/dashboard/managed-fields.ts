import { z } from 'zod';
import type { ChangeView } from './changes-view.js';

const entry = z.object({
  manager: z.string().catch(''),
  time: z.string().optional().catch(undefined),
  subresource: z.string().catch(''),
  fieldsV1: z.record(z.string(), z.unknown()).catch({}),
});

/** What we look at of an object: when who wrote what of it. */
export const changedObject = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string().default(''),
    uid: z.string().default(''),
    generation: z.number().default(0),
    creationTimestamp: z.string().default(''),
    managedFields: z.array(entry).catch([]),
  }),
});

export type ChangedObject = z.infer<typeof changedObject>['metadata'];

/** An object and its first fields are written in one moment, and both times are told by the second. */
const SAME_MOMENT_MS = 1_500;

/**
 * The last change that each field manager made of what an object says. Neither its status nor its labels and annotations count, which
 * controllers write all the time. That is all that a cluster remembers: of earlier changes by the same manager nothing.
 */
export function changesOf(kind: string, object: ChangedObject): readonly ChangeView[] {
  const { name, namespace, generation, creationTimestamp } = object;
  const created = Date.parse(creationTimestamp);
  return object.managedFields.flatMap(({ manager, time, subresource, fieldsV1 }) => {
    const at = Date.parse(time ?? '');
    if (Number.isNaN(at) || subresource !== '' || !saysSomething(fieldsV1)) return [];
    const how = Math.abs(at - created) <= SAME_MOMENT_MS ? 'created' : 'changed';
    return [
      { kind, namespace, name, generation, at: new Date(at).toISOString(), who: manager, how } as const,
    ];
  });
}

function saysSomething(fields: Readonly<Record<string, unknown>>): boolean {
  return Object.keys(fields).some((field) => field !== 'f:metadata' && field !== 'f:status');
}
