import {
  type Document,
  type DocumentOptions,
  LineCounter,
  type ParseOptions,
  type SchemaOptions,
  type Tags,
  isNode,
  parseAllDocuments,
} from 'yaml';
import { MeshError } from '../base/index.js';

/** Where something stands in a text; both count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** An object of a text, and where its fields stand in it. */
export interface PlacedManifest {
  readonly object: unknown;
  /** Where a field stands, such as `spec.routes[0].split`, or the nearest one around it that the text has. */
  readonly positionOf: (path: string) => Position;
}

/**
 * Objects of a text of YAML or JSON, read as kubectl and Helm read it, those of a List one by one. `name` is what an
 * error calls the text; throws `invalid` where it is not YAML.
 */
export function parseManifests(content: string, name: string): readonly unknown[] {
  return placedManifests(content, name).map(({ object }) => object);
}

/** The same, with where they stand. */
export function placedManifests(content: string, name: string): readonly PlacedManifest[] {
  const lines = new LineCounter();
  return parseAllDocuments(content, { ...AS_KUBECTL, lineCounter: lines }).flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) {
      throw new MeshError('invalid', `${name} is not valid YAML: ${error.message}`, { cause: error });
    }
    return unfold(document.toJS() as unknown).map(({ object, steps }) => ({
      object,
      positionOf: (path) => positionIn(document, lines, [...steps, ...stepsOf(path)], steps.length),
    }));
  });
}

/**
 * YAML 1.1, where `on`, `off`, `yes`, `no`, `y` and `n` are booleans and `0644` is octal, but without times of day and
 * dates, which Go's reader leaves as text.
 */
export const AS_KUBECTL: ParseOptions & DocumentOptions & SchemaOptions = {
  version: '1.1',
  customTags: (tags: Tags) =>
    tags.filter(
      (tag) => typeof tag === 'string' || !(tag.format === 'TIME' || tag.tag.endsWith(':timestamp')),
    ),
};

type Step = string | number;

/** `kubectl get -o yaml` gives a List; the end of a stream is often an empty document. */
function unfold(document: unknown): readonly { readonly object: unknown; readonly steps: readonly Step[] }[] {
  if (typeof document !== 'object' || document === null) return [];
  const { kind, items } = { kind: undefined, items: undefined, ...document } as {
    kind: unknown;
    items: unknown;
  };
  return kind === 'List' && Array.isArray(items)
    ? items.map((object: unknown, index) => ({ object, steps: ['items', index] }))
    : [{ object: document, steps: [] }];
}

/** The steps of a path as people write it: `spec.routes[0].split`. */
function stepsOf(path: string): readonly Step[] {
  return [...path.matchAll(/\[(\d+)\]|([^.[\]]+)/g)].map(([, index, name]) =>
    index === undefined ? (name ?? '') : Number(index),
  );
}

/** Of the longest part of the path that is there, and not above the object. */
function positionIn(
  document: Document.Parsed,
  lines: LineCounter,
  steps: readonly Step[],
  least: number,
): Position {
  for (let length = steps.length; length >= least; length -= 1) {
    const found = offsetOf(document, steps.slice(0, length));
    if (found === undefined) continue;
    const { line, col } = lines.linePos(found);
    return { line, column: col };
  }
  return { line: 1, column: 1 };
}

/** Of a field in an object its name, of an element of a list the element. */
function offsetOf(document: Document.Parsed, steps: readonly Step[]): number | undefined {
  const last = steps.at(-1);
  if (typeof last === 'string') {
    const parent = document.getIn(steps.slice(0, -1), true);
    const items = (parent as { readonly items?: readonly { readonly key?: unknown }[] } | undefined)?.items;
    const pair = items?.find(({ key }) => isNode(key) && String(key.toJSON()) === last);
    return isNode(pair?.key) ? pair.key.range?.[0] : undefined;
  }
  const node = steps.length === 0 ? document.contents : document.getIn(steps, true);
  return isNode(node) ? node.range?.[0] : undefined;
}
