import type { RealApiServer } from '../api-server.js';
import type { Row } from '../row.js';

const WEFT = '/apis/weft.dev/v1alpha1';
const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const ADMISSION = '/apis/admissionregistration.k8s.io/v1';

/** What somebody tries: who, how, where, and what is written. */
type Attempt = readonly [who: 'editor' | 'admin' | 'viewer', method: string, path: string, body?: object];

const in_ = (namespace: string, plural: string, name = ''): string =>
  `${WEFT}/namespaces/${namespace}/${plural}${name === '' ? '' : `/${name}`}`;
const core = (namespace: string, plural: string): string => `/api/v1/namespaces/${namespace}/${plural}`;
const object = (kind: string, name: string, spec: object, apiVersion = 'weft.dev/v1alpha1'): object => ({
  apiVersion,
  kind,
  metadata: { name },
  spec,
});
const role = object('MeshRole', 'new', { rules: [{}] });
const binding = object('MeshRoleBinding', 'new', {
  subjects: [{ caller: 'Anyone' }],
  roleRef: { kind: 'MeshRole', name: 'own' },
});
const policy = object('TrafficPolicy', 'new', { targetRefs: [{ kind: 'Service', name: 'web' }] });
const config = object('MeshConfig', 'default', { mtls: { mode: 'Permissive' } });
const labels = (word: string): object => ({ metadata: { labels: { 'weft.dev/default-access': word } } });
const bindTo = (name: string, kind = 'ClusterRole'): object => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'RoleBinding',
  metadata: { name: `to-${name}` },
  subjects: [{ kind: 'User', name: 'editor', apiGroup: 'rbac.authorization.k8s.io' }],
  roleRef: { kind, name, apiGroup: 'rbac.authorization.k8s.io' },
});

/** What a user of namespace `a` may not, with the rights that Kubernetes' roles `edit`, `admin` and `view` and ours beside them give. */
const ATTEMPTS: readonly Attempt[] = [
  ['editor', 'POST', in_('a', 'meshroles'), role],
  ['editor', 'POST', in_('a', 'meshrolebindings'), binding],
  ['editor', 'PATCH', in_('a', 'meshroles', 'own'), { spec: { rules: [{}] } }],
  ['editor', 'PATCH', in_('a', 'meshrolebindings', 'own'), { spec: { mode: 'DryRun' } }],
  ['editor', 'DELETE', in_('a', 'meshroles', 'own')],
  ['editor', 'DELETE', in_('a', 'meshrolebindings', 'own')],
  ['editor', 'PATCH', `${in_('a', 'meshrolebindings', 'own')}/status`, { status: { conditions: [] } }],
  ['editor', 'POST', in_('b', 'trafficpolicies'), policy],
  ['editor', 'DELETE', in_('b', 'trafficpolicies', 'own')],
  ['editor', 'PATCH', `${in_('a', 'trafficpolicies', 'own')}/status`, { status: { conditions: [] } }],
  ['editor', 'POST', `${WEFT}/meshconfigs`, config],
  ['editor', 'PATCH', `${WEFT}/meshconfigs/default`, { spec: { mtls: { mode: 'Permissive' } } }],
  ['editor', 'DELETE', `${WEFT}/meshconfigs/default`],
  ['editor', 'PATCH', '/api/v1/namespaces/a', labels('Allow')],
  ['editor', 'PATCH', '/api/v1/namespaces/b', labels('Allow')],
  ['editor', 'GET', `${core('weft-system', 'secrets')}/weft-issuer`],
  ['editor', 'GET', core('weft-system', 'secrets')],
  ['editor', 'PATCH', `${core('weft-system', 'secrets')}/weft-issuer`, { data: {} }],
  ['editor', 'PATCH', `${core('weft-system', 'configmaps')}/weft-last-known.default`, { data: {} }],
  ['editor', 'DELETE', `${core('weft-system', 'configmaps')}/weft-last-known.default`],
  ['editor', 'POST', `${core('b', 'serviceaccounts')}/web/token`, { spec: { audiences: ['weft'] } }],
  ['editor', 'POST', `${core('weft-system', 'serviceaccounts')}/weft/token`, { spec: {} }],
  ['editor', 'POST', '/apis/authentication.k8s.io/v1/tokenreviews', { spec: { token: 'x' } }],
  [
    'editor',
    'POST',
    core('weft-system', 'pods'),
    object('Pod', 'new', { containers: [{ name: 'a', image: 'a' }] }, 'v1'),
  ],
  ['editor', 'DELETE', `${ADMISSION}/mutatingwebhookconfigurations/weft-default`],
  ['editor', 'POST', `${RBAC}/namespaces/a/rolebindings`, bindTo('weft-admin')],
  ['viewer', 'POST', in_('a', 'trafficpolicies'), policy],
  ['viewer', 'PATCH', in_('a', 'meshroles', 'own'), { spec: { rules: [{}] } }],
  ['viewer', 'GET', in_('b', 'meshrolebindings')],
  ['admin', 'POST', in_('b', 'meshroles'), role],
  ['admin', 'POST', in_('b', 'meshrolebindings'), binding],
  ['admin', 'PATCH', in_('b', 'meshrolebindings', 'own'), { spec: { mode: 'DryRun' } }],
  ['admin', 'PATCH', `${in_('a', 'meshrolebindings', 'own')}/status`, { status: { conditions: [] } }],
  ['admin', 'POST', `${WEFT}/meshconfigs`, config],
  ['admin', 'PATCH', '/api/v1/namespaces/a', labels('Allow')],
  ['admin', 'POST', `${RBAC}/namespaces/a/rolebindings`, bindTo('cluster-admin')],
  ['admin', 'POST', `${RBAC}/namespaces/b/rolebindings`, bindTo('weft-admin')],
  ['admin', 'POST', `${RBAC}/clusterrolebindings`, { ...bindTo('weft-admin'), kind: 'ClusterRoleBinding' }],
  [
    'admin',
    'PATCH',
    '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/meshroles.weft.dev',
    { spec: {} },
  ],
];

/** What is refused although whoever asks may write the kind: it would open something that nobody can have meant. */
const REFUSED: readonly Attempt[] = [
  [
    'admin',
    'POST',
    `${in_('a', 'meshrolebindings')}?fieldValidation=Strict`,
    object('MeshRoleBinding', 'elsewhere', {
      subjects: [{ caller: 'Anyone' }],
      roleRef: { kind: 'MeshRole', name: 'own', namespace: 'b' },
    }),
  ],
  [
    'admin',
    'POST',
    in_('a', 'meshrolebindings'),
    object('MeshRoleBinding', 'nobody', {
      subjects: [],
      roleRef: { kind: 'MeshRole', name: 'own' },
    }),
  ],
  ['admin', 'POST', in_('a', 'meshroles'), object('MeshRole', 'dots', { rules: [{ paths: ['/a/../b'] }] })],
  [
    'admin',
    'POST',
    in_('a', 'meshroles'),
    object('MeshRole', 'absent', { rules: [{ headers: [{ name: 'x', present: false }] }] }),
  ],
];

const TWINS: readonly Attempt[] = [
  ['editor', 'POST', in_('a', 'trafficpolicies'), policy],
  ['editor', 'GET', in_('a', 'meshroles')],
  ['viewer', 'GET', in_('a', 'meshrolebindings')],
  ['admin', 'POST', in_('a', 'meshroles'), role],
  ['admin', 'POST', in_('a', 'meshrolebindings'), binding],
  ['admin', 'PATCH', in_('a', 'meshrolebindings', 'own'), { spec: { mode: 'DryRun' } }],
];

/** The rows about what the API server lets users of one namespace do. */
export function tenantRows(server: RealApiServer): readonly Row[] {
  return [
    {
      area: 'Tenancy',
      name: 'a namespace tries what the API lets it, and neither another one nor the mesh changes',
      play: async () => {
        await prepare(server);
        const wrong: string[] = [];
        const before = await watched(server);
        for (const [who, method, path, body] of [...ATTEMPTS, ...REFUSED]) {
          const { status } = await server.ask(method, path, body, { user: who });
          if (status !== 403 && status !== 422 && status !== 400)
            wrong.push(`${who} ${method} ${path}: ${status}`);
        }
        if ((await watched(server)) !== before)
          wrong.push('something of the mesh or of namespace b has changed');
        for (const [who, method, path, body] of TWINS) {
          const { status, body: answer } = await server.ask(method, path, body, { user: who });
          if (status >= 300) wrong.push(`${who}, who may, ${method} ${path}: ${status} ${answer.message}`);
        }
        return { attempts: ATTEMPTS.length + REFUSED.length, twins: TWINS.length, wrong };
      },
    },
  ];
}

/** Namespaces, somebody's objects in them, and what Helm's chart and Kubernetes' aggregation would give users. */
async function prepare(server: RealApiServer): Promise<void> {
  for (const name of ['a', 'b', 'weft-system'])
    await server.must('POST', '/api/v1/namespaces', { metadata: { name } });
  for (const namespace of ['a', 'b']) {
    const own = (body: object): object => ({ ...body, metadata: { name: 'own' } });
    await server.must('POST', in_(namespace, 'meshroles'), own(role));
    await server.must('POST', in_(namespace, 'meshrolebindings'), own(binding));
    await server.must('POST', in_(namespace, 'trafficpolicies'), own(policy));
    await server.must('POST', core(namespace, 'serviceaccounts'), { metadata: { name: 'web' } });
  }
  await server.must(
    'POST',
    `${WEFT}/meshconfigs`,
    object('MeshConfig', 'default', { mtls: { mode: 'Strict' } }),
  );
  await server.must('POST', core('weft-system', 'serviceaccounts'), { metadata: { name: 'weft' } });
  await server.must('POST', core('weft-system', 'secrets'), { metadata: { name: 'weft-issuer' } });
  await server.must('POST', core('weft-system', 'configmaps'), {
    metadata: { name: 'weft-last-known.default' },
  });
  // Without a controller manager nobody fills the aggregated roles: their parts are bound one by one.
  const view = ['system:aggregate-to-view', 'weft-view'];
  const edit = [...view, 'system:aggregate-to-edit', 'weft-edit'];
  const rights = { viewer: view, editor: edit, admin: [...edit, 'system:aggregate-to-admin', 'weft-admin'] };
  for (const [user, roles] of Object.entries(rights))
    for (const name of roles)
      await server.must('POST', `${RBAC}/namespaces/a/rolebindings`, {
        ...bindTo(name),
        metadata: { name: `${user}-${name.replaceAll(':', '-')}` },
        subjects: [{ kind: 'User', name: user, apiGroup: 'rbac.authorization.k8s.io' }],
      });
}

/** What must stay as it is. */
async function watched(server: RealApiServer): Promise<string> {
  const paths = [
    `${WEFT}/meshconfigs`,
    ...['a', 'b'].flatMap((namespace) => [
      `/api/v1/namespaces/${namespace}`,
      in_(namespace, 'meshroles'),
      in_(namespace, 'meshrolebindings'),
    ]),
    ...['secrets', 'configmaps'].map((plural) => core('weft-system', plural)),
  ];
  const all = await Promise.all(paths.map(async (path) => server.must('GET', path)));
  const seen = all.map((list) => ('items' in list ? list.items : list.metadata));
  return JSON.stringify(seen);
}
