import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { MeshError, sleep } from '../base/index.js';
import {
  ROTATION,
  ROTATION_MAP,
  isOver,
  requestData,
  type RotationRequest,
  type RotationStatus,
} from '../controller/index.js';
import { applyObject, getObject, type KubeClient } from '../kube/index.js';

export interface RotateOptions {
  readonly client: KubeClient;
  readonly systemNamespace: string;
  readonly of: RotationRequest['of'];
  /** Also where Weft did not make it. */
  readonly takeOver: boolean;
  /** Begins nothing: shows what was asked for last. */
  readonly statusOnly: boolean;
  readonly timeoutMs: number;
  /** Called whenever something changed. */
  readonly say: (status: RotationStatus) => void;
  /** Default one second. */
  readonly everyMs?: number;
  /** How long until a leader must have taken it up. Default half a minute. */
  readonly patienceMs?: number;
}

/** Asks the leader for another issuer or root, or joins what is under way, and follows it to its end. */
export async function rotateIdentity(options: RotateOptions): Promise<RotationStatus> {
  const id = await idToFollow(options);
  const began = performance.now();
  let last: RotationStatus | undefined;
  for (;;) {
    const status = (await read(options))?.status;
    if (status?.id === id && !isDeepStrictEqual(status, last)) {
      last = status;
      options.say(status);
    }
    if (last !== undefined && isOver(last)) return last;
    demandPatience(last, performance.now() - began, options);
    await sleep(options.everyMs ?? 1_000);
  }
}

function demandPatience(
  last: RotationStatus | undefined,
  waitedMs: number,
  { patienceMs = 30_000, timeoutMs }: RotateOptions,
): void {
  if (last === undefined && waitedMs > patienceMs)
    throw new MeshError(
      'unavailable',
      'no replica of the control plane has taken it up: weft check says whether one leads and is new enough. It is done when one does',
    );
  if (waitedMs > timeoutMs)
    throw new MeshError(
      'timeout',
      `it has not ended within --timeout, and goes on: ${last?.message ?? ''}; weft identity rotate --status shows how far it is`,
    );
}

async function idToFollow(options: RotateOptions): Promise<string> {
  const { client, systemNamespace: namespace, of, takeOver } = options;
  const { request, status } = (await read(options)) ?? {};
  const isUnderWay = request !== undefined && (status?.id !== request.id || !isOver(status));
  if (options.statusOnly) {
    if (request === undefined)
      throw new MeshError('not-found', 'nobody has asked for a rotation; weft identity rotate does');
    return request.id;
  }
  if (isUnderWay && request.of !== of)
    throw new MeshError(
      'precondition',
      `a rotation of the ${request.of} is under way; weft identity rotate --status follows it, and this is possible once it has ended`,
    );
  if (isUnderWay) return request.id;
  const asked = { id: randomUUID(), of, takeOver };
  const metadata = { name: ROTATION_MAP, namespace, labels: { 'app.kubernetes.io/managed-by': 'weft' } };
  await applyObject(
    client,
    ROTATION,
    { metadata, data: requestData(asked) },
    { fieldManager: 'weft-identity-rotate' },
  );
  return asked.id;
}

async function read({
  client,
  systemNamespace: namespace,
}: RotateOptions): ReturnType<typeof getObject<ReturnType<typeof ROTATION.keep>>> {
  return getObject(client, ROTATION, { namespace, name: ROTATION_MAP });
}

/** One line for a person. */
export function rotationLine({
  state,
  of,
  trusting,
  certified,
  replicas,
  behind,
  message,
}: RotationStatus): string {
  const counts = {
    Announcing: '',
    Trusting: `${trusting.count} of ${trusting.of} proxies trust the new root`,
    Reissuing: `${certified.count} of ${certified.of} proxies have a certificate of the new issuer`,
    Retiring: `${certified.count} of ${certified.of} proxies have a certificate of the new issuer`,
    Done: `the ${of} is another: ${certified.count} of ${certified.of} proxies have a certificate under it`,
    Refused: '',
  }[state];
  const isWaiting = state === 'Trusting' || state === 'Reissuing' || state === 'Retiring';
  const parts = [
    counts,
    isWaiting ? `${replicas.count} of ${replicas.of} replicas are up to date` : '',
    isWaiting && behind.length > 0 ? `behind: ${behind.map(({ pod }) => pod).join(', ')}` : '',
    state === 'Done' ? '' : message,
  ];
  return `${state.padEnd(10)}  ${parts.filter((part) => part !== '').join('; ')}`;
}
