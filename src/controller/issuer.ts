import {
  MeshError,
  sleep,
  systemClock,
  watched,
  type Clock,
  type Logger,
  type Settable,
  type Watched,
} from '../base/index.js';
import {
  BUNDLE_TRAVELS_MS,
  LEAF_LIFE_MS,
  fingerprintsOf,
  isSignedByOneOf,
  keyIdOf,
  mergeBundle,
  parseIssuer,
  type IssuerMaterial,
} from '../identity/index.js';
import type { Secret, Store } from '../kube/index.js';
import type { TrustInUse, TrustStanding, TrustTally } from '../proxies/index.js';
import { ISSUER_SECRET } from './trust-secrets.js';

export interface FollowIssuerOptions {
  readonly view: { readonly issuer: { readonly store: Store<Secret> } };
  readonly log: Logger;
  readonly clock?: Clock;
  /** How long a new root travels before anything under it is shown to proxies. Default five minutes. */
  readonly travelMs?: number;
}

/**
 * What the authority signs with, after Secret `weft-issuer`. One that cannot be read leaves the last good issuer in use, and
 * says so in the log. An issuer under a root that proxies do not know yet waits: first the bundle holds its root beside the
 * others, and once that has reached every proxy it is put to use; until what the former one signed has ended, its roots stay
 * trusted. Whoever just started knows no former issuer and uses what it finds. Ends
 * when the signal aborts.
 */
export function followIssuer(
  options: FollowIssuerOptions,
  signal: AbortSignal,
): Watched<IssuerMaterial | undefined> {
  const { view, log } = options;
  const issuer = watched<IssuerMaterial | undefined>(undefined);
  let latest: { readonly text: string; readonly turn: AbortController } | undefined;
  view.issuer.store.onChange((change) => {
    if (change.type === 'delete') {
      log.warn(
        `Secret ${ISSUER_SECRET} is gone; the issuer that was in it stays in use until there is a new one`,
      );
      return;
    }
    const { data, metadata } = change.object;
    const secret = {
      'tls.crt': data['tls.crt'] ?? '',
      'tls.key': data['tls.key'] ?? '',
      'ca.crt': data['ca.crt'] ?? '',
    };
    const text = JSON.stringify(secret);
    if (text === latest?.text) return;
    latest?.turn.abort();
    const turn = new AbortController();
    latest = { text, turn };
    const either = AbortSignal.any([turn.signal, signal]);
    parseIssuer(secret, `Secret ${metadata.namespace}/${metadata.name}`)
      .then((wanted) => turnTo(wanted, issuer, { ...options, signal: either }))
      .catch((thrown: unknown) => {
        if (!either.aborted) log.error({ err: MeshError.from(thrown) }, 'the issuer cannot be used');
      });
  });
  return issuer;
}

/** Takes the steps from what is in use to what is wanted; a newer wish aborts the signal. */
async function turnTo(
  wanted: IssuerMaterial,
  issuer: Settable<IssuerMaterial | undefined>,
  {
    log,
    clock = systemClock,
    travelMs = BUNDLE_TRAVELS_MS,
    signal,
  }: FollowIssuerOptions & { signal: AbortSignal },
): Promise<void> {
  const before = issuer.current;
  const show = (material: IssuerMaterial): void => {
    signal.throwIfAborted();
    issuer.set(material);
  };
  if (
    before === undefined ||
    before.chain === wanted.chain ||
    before.certificate.notAfter.getTime() <= clock.now()
  ) {
    show(wanted);
    return;
  }
  const both = mergeBundle([wanted.roots, before.roots], clock.now());
  if (!(await isSignedByOneOf(before.roots, wanted.certificate))) {
    log.info({ travelMs }, 'the new issuer waits until its root is trusted everywhere');
    show({ ...before, roots: both });
    await sleep(travelMs, signal);
  }
  show({ ...wanted, roots: both });
  if (!(await isSignedByOneOf(wanted.roots, before.certificate))) await sleep(LEAF_LIFE_MS, signal);
  show(wanted);
}

/** How the proxies that a tally counts stand to what this replica signs with and distributes; undefined while that is nothing. */
export function trustStanding(
  issuer: Watched<IssuerMaterial | undefined>,
  tally: TrustTally,
): () => TrustStanding | undefined {
  const inUse = (material: IssuerMaterial | undefined): TrustInUse | undefined =>
    material && { roots: fingerprintsOf(material.roots), issuer: keyIdOf(material.chain) };
  let current = inUse(issuer.current);
  issuer.subscribe((material) => (current = inUse(material)));
  return () => current && tally.standing(current);
}
