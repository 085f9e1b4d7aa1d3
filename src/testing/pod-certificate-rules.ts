import { X509Certificate, createPublicKey } from 'node:crypto';
import type { StoredObject } from './api-server.js';
import { openssl } from './openssl.js';

interface Status {
  readonly conditions?: readonly {
    readonly type: string;
    readonly status: string;
    readonly reason: string;
    readonly message: string;
    readonly lastTransitionTime: string;
  }[];
  readonly certificateChain?: string;
  readonly notBefore?: string;
  readonly beginRefreshAt?: string;
  readonly notAfter?: string;
}

const MINUTE = 60_000;
const FINAL = ['Issued', 'Denied', 'Failed'];

/**
 * What the API server of Kubernetes 1.37 would say against the status of a PodCertificateRequest: its rules, from
 * `ValidatePodCertificateRequestStatusUpdate` and `ValidateConditions`, one by one. Empty: it takes it.
 */
export async function brokenRules(
  { spec, status }: StoredObject,
  now = Date.now(),
): Promise<readonly string[]> {
  const { conditions = [], ...rest } = (status ?? {}) as Status;
  const [only] = conditions;
  if (conditions.length !== 1 || only === undefined) return ['exactly one condition'];
  const broken = brokenCondition(only);
  if (only.type !== 'Issued')
    return Object.keys(rest).length === 0 ? broken : [...broken, 'nothing beside the condition of a denial'];
  return [...broken, ...(await brokenIssue(spec as Spec, rest, now))];
}

interface Spec {
  readonly stubPKCS10Request: string;
  readonly maxExpirationSeconds?: number;
}

function brokenCondition({
  type,
  status,
  reason,
  message,
  lastTransitionTime,
}: NonNullable<Status['conditions']>[number]): string[] {
  return rules([
    [FINAL.includes(type) && status === 'True', 'a known condition that is True'],
    [
      /^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/.test(reason) && reason.length <= 1_024,
      'a reason in CamelCase',
    ],
    [message.length <= 32_768, 'a message of 32 KiB at most'],
    [isTime(lastTransitionTime), 'a transition time'],
  ]);
}

async function brokenIssue(spec: Spec, status: Status, now: number): Promise<string[]> {
  const blocks =
    (status.certificateChain ?? '').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g) ??
    [];
  if (blocks.join('') !== status.certificateChain || blocks.length === 0)
    return ['a chain of PEM blocks and nothing else'];
  const [leaf] = blocks.map((block) => new X509Certificate(block));
  const csr = Buffer.from(spec.stubPKCS10Request, 'base64');
  const asked = await openssl(['req', '-inform', 'der', '-in', 'csr', '-noout', '-pubkey'], { csr });
  const [from, refresh, to] = [status.notBefore, status.beginRefreshAt, status.notAfter].map((text) =>
    isTime(text) ? Date.parse(text ?? '') : NaN,
  ) as [number, number, number];
  const lifeMs = leaf!.validToDate.getTime() - leaf!.validFromDate.getTime();
  return rules([
    [leaf!.publicKey.equals(createPublicKey(asked.output)), 'the key that was asked for'],
    [from === leaf!.validFromDate.getTime(), 'notBefore as in the leaf'],
    [to === leaf!.validToDate.getTime(), 'notAfter as in the leaf'],
    [Math.abs(from - now) <= 5 * MINUTE, 'valid from about now'],
    [lifeMs >= 60 * MINUTE, 'an hour of life'],
    [lifeMs <= (spec.maxExpirationSeconds ?? 86_400) * 1_000, 'no longer than asked'],
    [refresh >= from + 10 * MINUTE && refresh <= to - 10 * MINUTE, 'a refresh ten minutes from both ends'],
  ]);
}

function rules(all: readonly (readonly [boolean, string])[]): string[] {
  return all.flatMap(([holds, rule]) => (holds ? [] : [rule]));
}

/** As Kubernetes writes times, to the second. */
function isTime(text: string | undefined): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text ?? '');
}
