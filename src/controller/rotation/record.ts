import { z } from 'zod';
import { Resources, type KubeObject, type ReadonlyStore, type Resource } from '../../kube/index.js';

/** ConfigMap in which somebody asks for a rotation, and the leader says how it stands. */
export const ROTATION_MAP = 'weft-rotation';

const REQUEST_KEY = 'request.json';
const STATUS_KEY = 'status.json';

const request = z.object({
  /** Made for each request: the same one is not done twice. */
  id: z.string().min(1).max(100),
  of: z.enum(['issuer', 'root']),
  /** Also where Weft did not make it. */
  takeOver: z.boolean(),
});

const fingerprint = z.string().regex(/^[0-9a-f]{64}$/);
const share = z.object({ count: z.number(), of: z.number() });
const state = z.enum(['Announcing', 'Trusting', 'Reissuing', 'Retiring', 'Done', 'Refused']);

const status = request.extend({
  state,
  /** What it waits for, or why it was refused. */
  message: z.string().max(1_000),
  /** Issuer, the root that signed it, and what is in Secret `weft-root`, as they were. */
  from: z.object({
    issuer: fingerprint.nullable(),
    signer: fingerprint.nullable(),
    root: fingerprint.nullable(),
  }),
  /** Pods whose proxies trust the newest root... */
  trusting: share,
  /** ...and those that have a certificate of the newest issuer. */
  certified: share,
  /** Replicas of the control plane that distribute both. */
  replicas: share,
  behind: z
    .array(z.object({ pod: z.string().max(400), lacks: z.enum(['root', 'certificate', 'removal']) }))
    .max(10),
  /** In milliseconds since 1970. */
  states: z.array(z.object({ state, at: z.number() })).max(20),
});

/** What somebody has asked for. */
export type RotationRequest = z.infer<typeof request>;
/** How it stands. */
export type RotationStatus = z.infer<typeof status>;
export type RotationState = RotationStatus['state'];

export interface RotationRecord extends KubeObject {
  readonly request: RotationRequest | undefined;
  readonly status: RotationStatus | undefined;
}

export const ROTATION: Resource<RotationRecord> = {
  ...Resources.configMap,
  keep: (raw) => {
    const { metadata, data } = Resources.configMap.keep(raw);
    return {
      metadata,
      request: parsed(request, data[REQUEST_KEY]),
      status: parsed(status, data[STATUS_KEY]),
    };
  },
};

export function requestData(asked: RotationRequest): Readonly<Record<string, string>> {
  return { [REQUEST_KEY]: JSON.stringify(asked) };
}

export function statusData(stands: RotationStatus): Readonly<Record<string, string>> {
  return { [STATUS_KEY]: JSON.stringify(stands) };
}

/** Whether nothing follows. */
export function isOver({ state: of }: RotationStatus): boolean {
  return of === 'Done' || of === 'Refused';
}

/** Whether something is asked for that has not ended. */
export function isRotating(records: ReadonlyStore<RotationRecord>): boolean {
  return [...records.values()].some(
    ({ request: asked, status: stands }) =>
      asked !== undefined && (stands?.id !== asked.id || !isOver(stands)),
  );
}

/** What cannot be read was not asked for. */
function parsed<T>(schema: z.ZodType<T>, text: string | undefined): T | undefined {
  try {
    return text === undefined ? undefined : schema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
