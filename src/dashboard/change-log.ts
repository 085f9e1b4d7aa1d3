import { z } from 'zod';
import { MeshError, type Clock } from '../base/index.js';
import { Kinds, type KindRow } from '../controller/index.js';
import { orUndefined, resourcePath, type KubeClient, type KubeObject, type Resource } from '../kube/index.js';
import type { ChangeView, ChangesView } from './changes-view.js';
import { changedObject, changesOf, type ChangedObject } from './managed-fields.js';

type ListedKind = Pick<Resource<KubeObject>, 'apiVersion' | 'kind' | 'plural'>;

/** As long as the traffic is remembered. */
const KEPT_MS = 1_860_000;
/** Of objects nothing but their metadata is asked for. */
const METADATA_ONLY =
  'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json;q=0.5';
const list = z.object({
  items: z.array(changedObject).default([]),
  metadata: z.object({ resourceVersion: z.string().default('') }).prefault({}),
});

/** What users write that changes what becomes of requests. */
export function changingKinds(): readonly ListedKind[] {
  const written = Object.values<KindRow>(Kinds).filter(({ feed }) => feed?.written === true);
  return [
    ...written.map(({ resource }) => resource),
    Kinds.meshConfigs.resource,
    Kinds.services.resource,
    { apiVersion: 'apps/v1', kind: 'Deployment', plural: 'deployments' },
  ];
}

/** Looks who changed what lately. Objects that are gone are known only if they were there at an earlier look. */
export class ChangeLog {
  readonly #client: KubeClient;
  readonly #clock: Clock;
  readonly #kinds: readonly ListedKind[];
  readonly #seen = new Map<string, ReadonlyMap<string, ChangedObject>>();
  /** Of each kind, the version of the last list: another API server may lag behind it, and what it lacks is not gone. */
  readonly #versions = new Map<string, string>();
  #gone: readonly ChangeView[] = [];

  constructor(client: KubeClient, clock: Clock, kinds: readonly ListedKind[] = changingKinds()) {
    this.#client = client;
    this.#clock = clock;
    this.#kinds = kinds;
  }

  /** The changes that the cluster remembers of the last half hour. */
  async look(): Promise<ChangesView> {
    const gaps: string[] = [];
    const changes = await Promise.all(
      this.#kinds.map(async (kind) => {
        try {
          return await this.#changesOf(kind);
        } catch (thrown) {
          // A cluster that was restored counts from another number.
          this.#versions.delete(keyOf(kind));
          gaps.push(`${kind.kind}: ${MeshError.from(thrown).message}`);
          return [];
        }
      }),
    );
    const since = this.#clock.now() - KEPT_MS;
    const recent = [...changes.flat(), ...this.#gone].filter(({ at }) => Date.parse(at) >= since);
    return { changes: recent.sort((a, b) => (a.at < b.at ? 1 : -1)), gaps };
  }

  async #changesOf(kind: ListedKind): Promise<readonly ChangeView[]> {
    const objects = (await orUndefined(this.#list(kind))) ?? [];
    this.#note(kind, new Map(objects.map((object) => [object.uid, object])));
    return objects.flatMap((object) => changesOf(kind.kind, object));
  }

  #note(kind: ListedKind, now: ReadonlyMap<string, ChangedObject>): void {
    const key = keyOf(kind);
    const at = new Date(this.#clock.now()).toISOString();
    const gone = [...(this.#seen.get(key) ?? [])].flatMap(([uid, { name, namespace, generation }]) =>
      now.has(uid)
        ? []
        : [{ kind: kind.kind, namespace, name, generation, at, who: '', how: 'gone' as const }],
    );
    this.#gone = [...this.#gone, ...gone].filter(
      (change) => Date.parse(change.at) >= this.#clock.now() - KEPT_MS,
    );
    this.#seen.set(key, now);
  }

  /** From the API server's cache, because it is asked every ten seconds; with a limit some versions would ask etcd. */
  async #list(kind: ListedKind): Promise<readonly ChangedObject[]> {
    const key = keyOf(kind);
    const answer = await this.#client.request({
      path: resourcePath(kind),
      query: { resourceVersion: this.#versions.get(key) ?? '0', resourceVersionMatch: 'NotOlderThan' },
      headers: { accept: METADATA_ONLY },
    });
    const { items, metadata } = list.parse(answer);
    if (metadata.resourceVersion !== '') this.#versions.set(key, metadata.resourceVersion);
    return items.map((item) => item.metadata);
  }
}

function keyOf({ apiVersion, plural }: ListedKind): string {
  return `${apiVersion}/${plural}`;
}
