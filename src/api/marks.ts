import * as z from 'zod';
import { names } from '../base/index.js';
import { nearest } from './nearest.js';
import { podTemplateOf } from './pod-template.js';

/** Labels and annotations of an object. */
export interface Marks {
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

type Entries = Readonly<Record<string, string>>;

const ANNOTATIONS: readonly string[] = Object.values(names.Annotation);
const LABELS: readonly string[] = Object.values(names.Label);
const PREFIX = `${names.API_GROUP}/`;

/** Labels and annotations of ours that nobody reads: misspelt, or an annotation where a label counts and the reverse. */
export function unknownNames({ annotations = {}, labels = {} }: Marks): readonly string[] {
  return [
    ...unread(annotations, { what: 'annotation', known: ANNOTATIONS, other: 'label', elsewhere: LABELS }),
    ...unread(labels, { what: 'label', known: LABELS, other: 'annotation', elsewhere: ANNOTATIONS }),
  ];
}

interface Reading {
  readonly what: string;
  readonly known: readonly string[];
  readonly other: string;
  readonly elsewhere: readonly string[];
}

function unread(entries: Entries, { what, known, other, elsewhere }: Reading): readonly string[] {
  return Object.entries(entries)
    .filter(([name]) => name.startsWith(PREFIX) && !known.includes(name))
    .map(([name, value]) => {
      if (elsewhere.includes(name)) {
        return `${name} has no effect as ${a(what)}; write it as ${a(other)}: ${name}=${value.slice(0, 63)}`;
      }
      const meant = nearest(name.slice(PREFIX.length), [...known, ...elsewhere].map(short));
      const remedy =
        meant === undefined ? `known are ${known.join(', ')}` : `did you mean ${PREFIX}${meant}?`;
      return `unknown ${what} ${name}; ${remedy}`;
    });
}

function a(noun: string): string {
  return noun === 'annotation' ? 'an annotation' : `a ${noun}`;
}

function short(name: string): string {
  return name.slice(PREFIX.length);
}

const marked = z.looseObject({
  kind: z.string(),
  metadata: z.looseObject({
    labels: z.record(z.string(), z.string()).optional().catch(undefined),
    annotations: z.record(z.string(), z.string()).optional().catch(undefined),
  }),
});

/** What is wrong with labels and annotations of ours on a pod, a namespace or a workload; nothing for other objects. */
export function markProblems(
  object: unknown,
): readonly { readonly path: string; readonly message: string; readonly misplaced: boolean }[] {
  const parsed = marked.safeParse(object);
  if (!parsed.success) return [];
  const { kind, metadata } = parsed.data;
  const at = (path: string) => (message: string) => ({ path, message, misplaced: false });
  if (kind === 'Pod' || kind === 'Namespace') return unknownNames(metadata).map(at('metadata'));
  const template = podTemplateOf(object);
  if (template === undefined) return [];
  const { path, pod } = template;
  const described = marked.safeParse({ ...pod, kind: 'Pod' });
  return [
    ...misplaced(metadata).map((name) => ({
      path: 'metadata',
      message: `${name} has no effect on a ${kind}; write it in ${path}.metadata, from where its pods have it`,
      misplaced: true,
    })),
    ...(described.success ? unknownNames(described.data.metadata) : []).map(at(`${path}.metadata`)),
  ];
}

function misplaced({ annotations = {}, labels = {} }: Marks): readonly string[] {
  return [...Object.keys(annotations), ...Object.keys(labels)].filter((name) =>
    [...ANNOTATIONS, ...LABELS].includes(name),
  );
}
