import { READER } from '../../api/index.js';
import type { KubeObject } from '../../kube/index.js';

/** An object whose spec is a user's. */
export interface SpecObject extends KubeObject {
  readonly spec?: unknown;
}

/** A form of an object that could be read. */
export interface GoodForm {
  /** Who read it: `READER` of that version. */
  readonly reader: string;
  readonly generation: number;
  readonly spec: unknown;
  /** What it is the form of, where that stays in force even if the API server stops serving the kind. */
  readonly object?: ObjectName | undefined;
}

export interface ObjectName {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly creationTimestamp: string;
}

/** By uid of the object; of each reader the newest form, the last reader first. */
export type RecordedForms = ReadonlyMap<string, readonly GoodForm[]>;

/** How an object of a kind is read. */
export interface Reading<O extends SpecObject, T> {
  readonly kind: string;
  /** Undefined: not with this version. */
  readonly read: (object: O) => T | undefined;
  /** Its objects stay in force even if the API server stops serving the kind. */
  readonly lasting?: boolean;
  /** Called when there is another record of the object, which did not help so far. */
  readonly again: () => void;
}

/** Readers whose forms of an object are kept. */
const READERS_KEPT = 3;

/**
 * How long the record of an object that is gone is kept, where its kind may be gone as well: the API server deletes the objects of a
 * kind first, and stops serving it afterwards.
 */
export const ENDED_KEPT_MS = 60_000;

/**
 * The last good form of every object: those that this process read and, of objects that it could not read, those that
 * the leader recorded. So replicas that started at different times act on the same form, and after a rollback the older
 * version on what it could read last.
 */
export class GoodForms {
  readonly #own = new Map<string, GoodForm>();
  readonly #unreadable = new Map<string, { readonly kind: string; readonly again: () => void }>();
  readonly #recorded = new Map<string, readonly GoodForm[]>();
  /** Forms of objects that are gone, and since when. */
  readonly #ended = new Map<string, { readonly forms: readonly GoodForm[]; readonly at: number }>();
  readonly #now: () => number;

  /** `now` in milliseconds, monotonic. */
  constructor(now = (): number => performance.now()) {
    this.#now = now;
  }

  /**
   * Reads an object or, where that fails, the newest of its recorded forms that is newer than what this process read
   * before. Undefined: what acted before goes on.
   */
  read<O extends SpecObject, T>(object: O, reading: Reading<O, T>): T | undefined {
    const { uid } = object.metadata;
    const now = reading.read(object);
    if (now !== undefined) {
      this.#own.set(uid, formOf(object, reading));
      this.#ended.delete(uid);
      this.#unreadable.delete(uid);
      return now;
    }
    this.#unreadable.set(uid, { kind: reading.kind, again: reading.again });
    return this.#readRecorded(object, reading);
  }

  /** The object is gone. */
  forget(uid: string): void {
    this.#dropEnded();
    const forms = this.#formsOf(uid);
    if (forms.some(({ object }) => object !== undefined)) this.#ended.set(uid, { forms, at: this.#now() });
    this.#own.delete(uid);
    this.#unreadable.delete(uid);
    this.#recorded.delete(uid);
  }

  /** Takes what the leader has recorded; objects that cannot be read are looked at again. */
  setRecorded(forms: RecordedForms): void {
    for (const [uid, recorded] of forms) {
      this.#recorded.set(uid, recorded);
      this.#unreadable.get(uid)?.again();
    }
  }

  /** Generation of the form that acts in place of an object that cannot be read; undefined where none does. */
  actingGeneration(uid: string): number | undefined {
    return this.#unreadable.has(uid) ? this.#own.get(uid)?.generation : undefined;
  }

  /** How many objects of a kind cannot be read. */
  countUnreadable(kind: string): number {
    return [...this.#unreadable.values()].filter((one) => one.kind === kind).length;
  }

  /** What should be recorded, given what is. */
  toRecord(): RecordedForms {
    this.#dropEnded();
    const there = new Set([...this.#unreadable.keys(), ...this.#own.keys()]);
    return new Map([
      ...[...this.#ended].map(([uid, { forms }]) => [uid, forms] as const),
      ...[...there].map((uid) => [uid, this.#formsOf(uid)] as const),
    ]);
  }

  /** Whether something is recorded that is gone, and will not be after a while. */
  get hasEnded(): boolean {
    return this.#ended.size > 0;
  }

  #dropEnded(): void {
    for (const [uid, { at }] of this.#ended) if (this.#now() - at >= ENDED_KEPT_MS) this.#ended.delete(uid);
  }

  #formsOf(uid: string): readonly GoodForm[] {
    const [own, recorded] = [this.#own.get(uid), this.#recorded.get(uid) ?? []];
    return own === undefined ? recorded : merged(own, recorded);
  }

  #readRecorded<O extends SpecObject, T>(object: O, reading: Reading<O, T>): T | undefined {
    const { read } = reading;
    const { uid } = object.metadata;
    const known = this.#own.get(uid)?.generation ?? -1;
    const newer = (this.#recorded.get(uid) ?? [])
      .filter(({ generation }) => generation > known)
      .sort((a, b) => b.generation - a.generation);
    for (const { generation, spec } of newer) {
      const form = { ...object, metadata: { ...object.metadata, generation }, spec };
      const good = read(form);
      if (good === undefined) continue;
      this.#own.set(uid, formOf(form, reading));
      return good;
    }
    return undefined;
  }
}

function formOf<O extends SpecObject, T>({ metadata, spec }: O, { kind, lasting }: Reading<O, T>): GoodForm {
  const { namespace, name, generation, creationTimestamp } = metadata;
  const form = { reader: READER, generation, spec };
  return lasting === true ? { ...form, object: { kind, namespace, name, creationTimestamp } } : form;
}

function merged(own: GoodForm, recorded: readonly GoodForm[]): readonly GoodForm[] {
  const mine = recorded.find(({ reader }) => reader === own.reader);
  // Another replica of this version may have seen more.
  if (mine !== undefined && mine.generation >= own.generation) return recorded;
  return [own, ...recorded.filter((form) => form !== mine)].slice(0, READERS_KEPT);
}
