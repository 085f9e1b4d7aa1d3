import { Kinds, type KindRow } from './index.js';

/** What the control plane may do with some kinds of a group, in the whole cluster, and why. */
export interface Right {
  /** Empty for the kinds of Kubernetes' core. */
  readonly group: string;
  /** As RBAC names them: `httproutes`, `httproutes/status`. */
  readonly resources: readonly string[];
  readonly verbs: string;
  readonly reason: string;
}

/** What the rows ask for: to read each kind and, where it has a status of ours, to write that. */
export function kindRights(): readonly Right[] {
  const single = Object.values<KindRow>(Kinds).flatMap(rightsOf);
  const together = Map.groupBy(single, ({ group, verbs, reason }) => [group, verbs, reason].join());
  return [...together.values()].flatMap((same) => {
    const [first] = same;
    return first === undefined ? [] : { ...first, resources: same.flatMap(({ resources }) => resources) };
  });
}

function rightsOf({ resource: { apiVersion, plural }, access }: KindRow): readonly Right[] {
  if (access === undefined) return [];
  const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
  const read = { group, resources: [plural], verbs: 'list, watch', reason: access.read };
  if (access.status === undefined) return [read];
  return [read, { group, resources: [`${plural}/status`], verbs: 'patch', reason: access.status }];
}

/** From the repository's root. */
export const RULES_FILE = 'charts/weft/templates/_kinds.tpl';

/** The rules of the chart's ClusterRole for them, as a Helm template named `weft.kinds.rules`. */
export function rulesTemplate(): string {
  const rules = kindRights().map(({ group, resources, verbs, reason }) => [
    `# ${reason[0]?.toUpperCase() ?? ''}${reason.slice(1)}.`,
    `- apiGroups: [${group === '' ? '""' : group}]`,
    `  resources: [${resources.join(', ')}]`,
    `  verbs: [${verbs}]`,
  ]);
  return [
    '{{/* Made from src/controller/kinds by make generate. */}}',
    '{{- define "weft.kinds.rules" -}}',
    ...rules.flat(),
    '{{- end -}}',
    '',
  ].join('\n');
}

/** Their rows in the table of docs/rbac.md. */
export function documentedRights(): readonly string[] {
  return kindRights().map(
    ({ group, resources, verbs, reason }) =>
      `| cluster | ${group === '' ? '' : `${group} `}| ${resources.join(', ')} | | ${verbs} | ${reason} |`,
  );
}
