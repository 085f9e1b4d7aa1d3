import { stringify } from 'yaml';
import { names } from '../../base/index.js';
import type { Kind } from '../schema/kind.js';
import { toCrd } from '../schema/crd.js';
import { toMarkdown } from '../schema/docs.js';
import { KINDS } from '../v1alpha1/kinds.js';
import { specSchema } from './kind-schema.js';

/** Helm and kubectl read YAML 1.1, where words such as off and y are booleans unless they are quoted. */
const YAML = { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false } as const;

/** Every file that is made from the kinds, by its path from the repository's root. */
export function generatedFiles(): ReadonlyMap<string, string> {
  const perKind = KINDS.flatMap((kind) => {
    const schema = specSchema(kind);
    const crd = stringify(toCrd(kind, schema), YAML);
    return [
      [`charts/weft-crds/templates/${kind.plural}.yaml`, crd] as const,
      [`docs/reference/${kind.singular}.md`, toMarkdown(kind, schema, noteOf(kind))] as const,
    ];
  });
  const roles = userRoles().map((role) => stringify(role, YAML));
  return new Map([...perKind, ['charts/weft-crds/templates/user-roles.yaml', roles.join('---\n')]]);
}

/**
 * Who may view or edit a namespace may do so with its objects of ours, through the roles of Kubernetes that collect others by
 * label. What grants access is for the administrators of the namespace, what holds for the whole mesh for those of the cluster.
 */
function userRoles(): readonly object[] {
  const role = (
    name: 'view' | 'edit' | 'admin',
    { kinds, verbs }: { readonly kinds: readonly Kind[]; readonly verbs: readonly string[] },
  ): object => ({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: {
      name: `weft-${name}`,
      labels: { [`rbac.authorization.k8s.io/aggregate-to-${name}`]: 'true' },
    },
    rules: [{ apiGroups: [names.API_GROUP], resources: kinds.map(({ plural }) => plural), verbs }],
  });
  const namespaced: readonly Kind[] = KINDS.filter(({ scope }) => scope === 'Namespaced');
  return [
    role('view', { kinds: KINDS, verbs: ['get', 'list', 'watch'] }),
    role('edit', { kinds: namespaced.filter((kind) => kind.grantsAccess !== true), verbs: WRITE }),
    role('admin', { kinds: namespaced.filter((kind) => kind.grantsAccess === true), verbs: WRITE }),
  ];
}

const WRITE = ['create', 'update', 'patch', 'delete', 'deletecollection'];

function noteOf({ unsupported = [] }: Kind): (path: string) => string {
  return (path) => {
    const values = unsupported.flatMap((row) =>
      row.path.startsWith(`${path}=`) ? [row.path.split('=')[1] ?? ''] : [],
    );
    if (values.length > 0) return ` Not supported yet: ${values.join(', ')}.`;
    return unsupported.some((row) => isWithin(path, row.path)) ? ' **Not supported yet.**' : '';
  };
}

function isWithin(path: string, parent: string): boolean {
  return path === parent || path.startsWith(`${parent}.`) || path.startsWith(`${parent}[]`);
}
