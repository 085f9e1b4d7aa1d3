import { stringify } from 'yaml';
import { toCrd } from '../schema/crd.js';
import { toMarkdown } from '../schema/docs.js';
import { KINDS } from '../v1alpha1/kinds.js';
import { UNSUPPORTED } from '../v1alpha1/unsupported.js';
import { specSchema } from './kind-schema.js';

/** Helm and kubectl read YAML 1.1, where words such as off and y are booleans unless they are quoted. */
const YAML = { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false } as const;

/** Every file that is made from the kinds, by its path from the repository's root. */
export function generatedFiles(): ReadonlyMap<string, string> {
  return new Map(
    KINDS.flatMap((kind) => {
      const schema = specSchema(kind);
      const crd = stringify(toCrd(kind, schema), YAML);
      return [
        [`charts/weft-crds/templates/${kind.plural}.yaml`, crd] as const,
        [`docs/reference/${kind.singular}.md`, toMarkdown(kind, schema, note)] as const,
      ];
    }),
  );
}

function note(path: string): string {
  const values = UNSUPPORTED.flatMap((row) =>
    row.path.startsWith(`${path}=`) ? [row.path.split('=')[1] ?? ''] : [],
  );
  if (values.length > 0) return ` Not supported yet: ${values.join(', ')}.`;
  return UNSUPPORTED.some((row) => isWithin(path, row.path)) ? ' **Not supported yet.**' : '';
}

function isWithin(path: string, parent: string): boolean {
  return path === parent || path.startsWith(`${parent}.`) || path.startsWith(`${parent}[]`);
}
