import { createHash } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { z } from 'zod';
import { Resources, type KubeObject, type Resource } from '../../kube/index.js';
import type { KeySet } from '../../model/index.js';
import type { RecordedForms } from './good-forms.js';

/** Label of the ConfigMaps that hold what was last known; its value is the revision. */
export const LAST_KNOWN_LABEL = 'weft.dev/last-known';

const PREFIX = 'weft-last-known';
const SETTINGS_KEY = 'settings.json';
const FORMS_KEY = 'forms.json.gz';
const KEY_SETS_KEY = 'key-sets.json';

/** Parts in which the forms of objects are kept, so that a change of one object rewrites a part only. */
const PARTS = 16;

/** Of the text in a ConfigMap, which holds 1 MiB at most. */
const MAX_TEXT = 900_000;

/** One of these ConfigMaps, read once when it arrives. */
export interface LastKnown extends KubeObject {
  /** Text of the settings of the mesh; absent in the others. */
  readonly settings?: string;
  readonly forms: RecordedForms;
  /** The text that `forms` were made of. */
  readonly formsText: string;
  /** Keys of issuers, by the uids of these; absent in the others. */
  readonly keySets?: ReadonlyMap<string, KeySet>;
}

export const LAST_KNOWN: Resource<LastKnown> = {
  ...Resources.configMap,
  keep: (raw) => {
    const { metadata, data } = Resources.configMap.keep(raw);
    const { [SETTINGS_KEY]: settings, [FORMS_KEY]: formsText = '', [KEY_SETS_KEY]: keySets } = data;
    return {
      metadata,
      ...(settings === undefined ? {} : { settings }),
      forms: decodeForms(formsText),
      formsText,
      ...(keySets === undefined ? {} : { keySets: decodeKeySets(keySets) }),
    };
  },
};

/** Name of the ConfigMap with the settings of the mesh. A revision has no dot in it. */
export function settingsMap(revision: string): string {
  return `${PREFIX}.${revision}`;
}

/** Names of the ConfigMaps with the forms of objects. */
export function formsMaps(revision: string): readonly string[] {
  return Array.from({ length: PARTS }, (_, part) => `${PREFIX}.${revision}.${part}`);
}

/** Name of the ConfigMap with the forms of one object. */
export function formsMapOf(revision: string, uid: string): string {
  const [byte = 0] = createHash('sha256').update(uid).digest();
  return `${PREFIX}.${revision}.${byte % PARTS}`;
}

/** Name of the ConfigMap with the keys of issuers. */
export function keySetsMap(revision: string): string {
  return `${PREFIX}.${revision}.keys`;
}

/** Content of the ConfigMap with the keys of issuers. Where not all fit, the largest are left out. */
export function keySetsData(sets: ReadonlyMap<string, KeySet>): Recording {
  return recording(sets, KEY_SETS_KEY, (kept) => JSON.stringify(Object.fromEntries(kept)));
}

/** Content of the ConfigMap with the settings. */
export function settingsData(text: string): Readonly<Record<string, string>> {
  return { [SETTINGS_KEY]: text };
}

/** Content of a ConfigMap with forms. Where not all fit, the largest are left out. */
export function formsData(forms: RecordedForms): Recording {
  return recording(forms, FORMS_KEY, encodeForms);
}

/** What a ConfigMap gets, and what there was no room for. */
export interface Recording {
  readonly data: Readonly<Record<string, string>>;
  readonly leftOut: readonly string[];
}

function recording<T>(
  all: ReadonlyMap<string, T>,
  name: string,
  encode: (kept: ReadonlyMap<string, T>) => string,
): Recording {
  const kept = new Map([...all].sort(([a], [b]) => (a < b ? -1 : 1)));
  const leftOut: string[] = [];
  let text = encode(kept);
  while (text.length > MAX_TEXT) {
    const largest = [...kept].reduce((a, b) =>
      JSON.stringify(a).length >= JSON.stringify(b).length ? a : b,
    )[0];
    kept.delete(largest);
    leftOut.push(largest);
    text = encode(kept);
  }
  return { data: { [name]: text }, leftOut };
}

function encodeForms(forms: RecordedForms): string {
  return gzipSync(JSON.stringify(Object.fromEntries(forms))).toString('base64');
}

const keySet = z.object({
  url: z.string(),
  keys: z
    .array(
      z.object({
        id: z.string(),
        algorithms: z.array(z.string()),
        material: z.union([
          z.object({ kind: z.literal('rsa'), modulus: z.string(), exponent: z.string() }),
          z.object({ kind: z.enum(['p256', 'p384', 'ed25519']), point: z.string() }),
        ]),
      }),
    )
    .exactOptional(),
  fetchedAt: z.number().exactOptional(),
  failure: z.string().exactOptional(),
});

/** A damaged record holds no keys: tokens are refused until the leader has fetched them again. */
function decodeKeySets(text: string): ReadonlyMap<string, KeySet> {
  try {
    return new Map(Object.entries(z.record(z.string(), keySet).parse(JSON.parse(text))));
  } catch {
    return new Map();
  }
}

const recorded = z.record(
  z.string(),
  z.array(
    z.object({
      reader: z.string(),
      generation: z.number(),
      spec: z.unknown(),
      object: z
        .object({
          kind: z.string(),
          namespace: z.string(),
          name: z.string(),
          creationTimestamp: z.string(),
        })
        .exactOptional(),
    }),
  ),
);

/** A damaged record is none: it is written again from what the leader knows. */
function decodeForms(text: string): RecordedForms {
  try {
    const json: unknown = JSON.parse(
      gunzipSync(Buffer.from(text, 'base64'), { maxOutputLength: 64 * 1024 * 1024 }).toString(),
    );
    return new Map(Object.entries(recorded.parse(json)));
  } catch {
    return new Map();
  }
}
