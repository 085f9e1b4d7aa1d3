import type { CustomObject } from '../../kube/index.js';
import {
  decideSettings,
  decodeKnownSettings,
  encodeKnownSettings,
  readMeshConfig,
  type ConfigurableSettings,
  type KnownSettings,
  type MeshSettings,
  type PolicyRef,
  type Problem,
  type ReadMeshConfig,
} from '../../model/index.js';
import { plainObject } from '../collect/index.js';

/**
 * The settings of the mesh, made from its MeshConfig and from what held last. What held last outlives this process as a
 * record in a ConfigMap of the control plane's namespace, so that neither a restart of every replica nor a rollback to a
 * version that cannot read the MeshConfig opens the mesh.
 */
export class SettingsHistory {
  readonly #installed: MeshSettings;
  #object: { readonly ref: PolicyRef; readonly read: ReadMeshConfig } | undefined;
  #known: (KnownSettings & { readonly own: boolean }) | undefined;
  #listed = false;
  #settings: MeshSettings;
  #problems: readonly Problem[] = [];

  constructor(installed: MeshSettings) {
    this.#installed = installed;
    this.#settings = installed;
  }

  get settings(): MeshSettings {
    return this.#settings;
  }

  /** What is wrong with the MeshConfig there is. */
  get problems(): readonly Problem[] {
    return this.#problems;
  }

  /** Takes the MeshConfig as it is now. */
  setObject(object: CustomObject | undefined): void {
    this.#object =
      object === undefined ? undefined : { ref: refOf(object), read: readMeshConfig(plainObject(object)) };
    this.#decide();
  }

  /** Takes the record that the leader keeps. Of one object the newer generation counts. */
  setRecord(text: string): void {
    const record = { ...decodeKnownSettings(text), own: false };
    const known = this.#known;
    const older = known?.uid === record.uid ? record.generation < known.generation : known?.own === true;
    if (older) return;
    this.#known = record;
    this.#decide();
  }

  /** The record has been looked for. What is decided before may lack what held last, so it is not remembered. */
  recordListed(): void {
    this.#listed = true;
    this.#decide();
  }

  /**
   * What the record should say, given what it says. Undefined: it is right, or this version is not the one to correct it,
   * because it cannot read the object that the record is about.
   */
  recordToWrite(recorded: string | undefined): string | undefined {
    if (this.#known === undefined || (!this.#known.own && recorded !== undefined)) return undefined;
    const text = encodeKnownSettings({ ...this.#known, settings: configurable(this.#settings) });
    if (text === recorded) return undefined;
    if (recorded !== undefined) {
      const { uid, generation } = decodeKnownSettings(recorded);
      if (uid === this.#known.uid && generation > this.#known.generation) return undefined;
    }
    return text;
  }

  #decide(): void {
    const decided = decideSettings(this.#installed, this.#known?.settings ?? {}, this.#object?.read);
    this.#settings = decided.settings;
    this.#problems = decided.problems;
    if (this.#object?.read.problems.length !== 0) return;
    const { ref } = this.#object;
    this.#settings = { ...decided.settings, source: ref };
    if (!this.#listed) return;
    const { uid, generation } = ref;
    this.#known = { settings: configurable(this.#settings), uid, generation, own: true };
  }
}

function refOf({ metadata }: CustomObject): PolicyRef {
  const { namespace, name, uid, generation, creationTimestamp } = metadata;
  return { kind: 'MeshConfig', namespace, name, uid, generation, creationTimestamp };
}

function configurable({
  mtls,
  outbound,
  access,
  via,
  forwarded,
  tracing,
  accessLog,
}: MeshSettings): ConfigurableSettings {
  return {
    mtls,
    outbound,
    access,
    via,
    forwarded,
    ...(tracing === undefined ? {} : { tracing }),
    ...(accessLog === undefined ? {} : { accessLog }),
  };
}
