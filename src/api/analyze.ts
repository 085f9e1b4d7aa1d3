import * as z from 'zod';
import { names } from '../base/index.js';
import { markProblems } from './marks.js';
import { nearest } from './nearest.js';
import { pathText } from './path-text.js';
import type { Kind } from './schema/kind.js';
import { type StructuralSchema, schemaAt, toStructural } from './schema/structural.js';
import { KINDS } from './v1alpha1/kinds.js';
import { findDeprecated } from './v1alpha1/deprecated.js';
import { findUnsupported } from './v1alpha1/not-supported.js';

/** Something wrong with an object that a user typed. */
export interface Finding {
  /** Place of the object among the documents, from 0. */
  readonly document: number;
  /** `TrafficPolicy shop/reviews`. */
  readonly object: string;
  /** The field, such as `spec.routes[0].split`. */
  readonly path: string;
  /** What is wrong and what to do. */
  readonly message: string;
  readonly mistake: Mistake;
}

/**
 * Kinds of mistakes: a kind or field that there is not, a value that is refused, a field that does nothing yet or has another name now,
 * a label or annotation that nobody reads, or that stands where nobody reads it.
 */
export type Mistake =
  'kind' | 'field' | 'value' | 'unsupported' | 'deprecated' | 'unknown-mark' | 'misplaced-mark';

/**
 * What the API server would refuse or prune, and what does not work yet. Of other API groups only the labels and
 * annotations that are ours are looked at; empty documents, which YAML streams often end in, are passed over.
 */
export function analyze(documents: readonly unknown[]): readonly Finding[] {
  return documents.flatMap((document, index) =>
    objectsIn(document).flatMap((object) => {
      const head = envelope.safeParse(object);
      if (!head.success) return [];
      const found = isOurs(head.data.apiVersion) ? findingsOf(head.data, object) : foreignFindings(object);
      return found.map((one) => ({ document: index, object: title(head.data), ...one }));
    }),
  );
}

/** Of objects of others we read what is addressed to us. */
function foreignFindings(object: unknown): readonly Found[] {
  return markProblems(object).map(({ misplaced, ...found }) => ({
    ...found,
    mistake: misplaced ? 'misplaced-mark' : 'unknown-mark',
  }));
}

/** A finding in one object. */
export type Violation = Pick<Finding, 'path' | 'message'> & { readonly mistake: 'field' | 'value' };

/** What is wrong with an object of a kind by its schema: unknown fields, wrong types, values out of bounds, rules. */
export function violations(kind: Kind, object: unknown): readonly Violation[] {
  const parsed = kind.schema.safeParse(object);
  const issues = parsed.success ? [] : parsed.error.issues.flatMap((issue) => describe(kind, issue));
  const named = envelope.safeParse(object);
  const broken = kind.rules.filter((rule) => named.success && !rule.holds(named.data));
  return [
    ...issues,
    ...broken.map(({ field, message }) => ({
      path: field?.slice(1) ?? '',
      message,
      mistake: 'value' as const,
    })),
  ];
}

const NAMELESS = { name: '', namespace: undefined };

/** Whose object it is; a broken metadata is the schema's to report. */
const envelope = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }).catch(NAMELESS),
});

const list = z.looseObject({ kind: z.string().regex(/List$/), items: z.array(z.unknown()) });

type Envelope = z.infer<typeof envelope>;

/** The objects of a list, as `kubectl get -o yaml` prints them, or the one object. */
function objectsIn(document: unknown): readonly unknown[] {
  const parsed = list.safeParse(document);
  return parsed.success ? parsed.data.items : [document];
}

function isOurs(apiVersion: string): boolean {
  return apiVersion.split('/')[0] === names.API_GROUP;
}

function title({ kind, metadata: { name, namespace } }: Envelope): string {
  return `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`;
}

type Found = Omit<Finding, 'document' | 'object'>;

function findingsOf(head: Envelope, document: unknown): readonly Found[] {
  const kind = KINDS.find((candidate) => candidate.kind === head.kind);
  if (kind === undefined)
    return [
      {
        path: 'kind',
        message: unknownName(
          'kind',
          head.kind,
          KINDS.map((k) => k.kind),
        ),
        mistake: 'kind',
      },
    ];
  const withMistake =
    (mistake: Mistake) =>
    (found: { readonly path: string; readonly message: string }): Found => ({ ...found, mistake });
  return [
    ...violations(kind, document),
    ...findUnsupported(kind, document).map(withMistake('unsupported')),
    ...findDeprecated(kind, document).map(withMistake('deprecated')),
  ].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function describe(kind: Kind, issue: z.core.$ZodIssue): readonly Violation[] {
  if (issue.code !== 'unrecognized_keys')
    return [{ path: pathText(issue.path), message: issue.message, mistake: 'value' }];
  const known = Object.keys(schemaOf(kind, issue.path)?.properties ?? {});
  return issue.keys.map((key) => ({
    path: pathText([...issue.path, key]),
    message: unknownName('field', key, known),
    mistake: 'field',
  }));
}

/** Above the spec there is little to mistake. */
function schemaOf(kind: Kind, path: readonly PropertyKey[]): StructuralSchema | undefined {
  if (path.length === 0) {
    const text = { type: 'string', keywords: {}, validations: [] };
    return { ...text, properties: { apiVersion: text, kind: text, metadata: text, spec: text } };
  }
  return schemaAt(toStructural(kind.spec), path.slice(1));
}

function unknownName(what: string, typed: string, known: readonly string[]): string {
  if (typed === 'true' || typed === 'false') {
    return `unknown ${what} "${typed}"; kubectl and Helm read YAML 1.1, where words such as on and off are ${typed} unless they are quoted; known here: ${known.join(', ')}`;
  }
  const meant = nearest(typed, known);
  const remedy = meant === undefined ? `known here: ${known.join(', ')}` : `did you mean ${meant}?`;
  return `unknown ${what} "${typed}"; ${remedy}`;
}
