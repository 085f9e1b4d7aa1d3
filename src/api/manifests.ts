import {
  type ParseOptions,
  type DocumentOptions,
  type SchemaOptions,
  type Tags,
  parseAllDocuments,
} from 'yaml';
import { MeshError } from '../base/index.js';

/**
 * Objects of a text of YAML or JSON, read as kubectl and Helm read it, those of a List one by one. `name` is what an
 * error calls the text; throws `invalid` where it is not YAML.
 */
export function parseManifests(content: string, name: string): readonly unknown[] {
  return parseAllDocuments(content, AS_KUBECTL).flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) {
      throw new MeshError('invalid', `${name} is not valid YAML: ${error.message}`, { cause: error });
    }
    return unfold(document.toJS() as unknown);
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

/** `kubectl get -o yaml` gives a List; the end of a stream is often an empty document. */
function unfold(document: unknown): readonly unknown[] {
  if (typeof document !== 'object' || document === null) return [];
  const { kind, items } = { kind: undefined, items: undefined, ...document } as {
    kind: unknown;
    items: unknown;
  };
  return kind === 'List' && Array.isArray(items) ? (items as readonly unknown[]) : [document];
}
