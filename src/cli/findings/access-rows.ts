import { meshRole, meshRoleBinding, meshTlsPolicy } from '../../api/index.js';
import { names } from '../../base/index.js';
import { bytesNotes, isJwtIssuerInForce } from '../../model/index.js';
import { ofKind, podsBehind, type Known } from './known.js';
import { readAs } from './read-as.js';
import { callerNobodyHas } from './route-rows.js';
import { rows, type Place } from './row.js';

/** Roles, bindings, tokens and modes of mutual TLS that do nothing, or more than their authors think. */
export const ACCESS_ROWS = rows([
  {
    code: 'WEFT401',
    severity: 'warning',
    title: 'Role that nobody is bound to',
    meaning: 'A MeshRole by itself grants and denies nothing.',
    remedy: 'Create a MeshRoleBinding for it, or delete it.',
    find: (known) => {
      if (!known.complete) return [];
      const bound = new Set(
        readAs(known, meshRoleBinding).map(({ object, spec }) => `${object.namespace}/${spec.roleRef.name}`),
      );
      return ofKind(known, 'MeshRole', names.API_GROUP)
        .filter(({ namespace, name }) => !bound.has(`${namespace}/${name}`))
        .map((object) => ({
          object,
          path: '',
          message: 'no MeshRoleBinding names it, so it does nothing; bind it, or delete it',
        }));
    },
  },
  {
    code: 'WEFT402',
    severity: 'warning',
    title: 'Binding that allows what is allowed anyway',
    meaning:
      'Where the default is Allow every caller may do everything that no binding denies: a binding that allows changes nothing, and nobody is kept out.',
    remedy:
      'Label the namespace weft.dev/default-access=DryRunDeny, look at what would be refused, then Deny (docs/access.md).',
    find: (known) => {
      if (!known.complete) return [];
      return readAs(known, meshRoleBinding)
        .filter(
          ({ object, spec }) =>
            spec.effect !== 'Deny' && known.mesh.accessIn(object.namespace).default === 'allow',
        )
        .map(({ object }) => ({
          object,
          path: 'spec.effect',
          message: `allows what is allowed anyway: the default of namespace ${object.namespace} is Allow; set it to DryRunDeny, then to Deny, with the label ${names.Label.defaultAccess}`,
        }));
    },
  },
  {
    code: 'WEFT403',
    severity: 'warning',
    title: 'Service account that does not exist',
    meaning:
      'The binding is about a service account that is not there, so about nobody; a typing error allows nothing, and denies nothing.',
    remedy: 'Correct name and namespace, or create the service account.',
    find: absentAccounts,
  },
  {
    code: 'WEFT404',
    severity: 'warning',
    title: 'Callers without a name',
    meaning:
      'The binding asks for callers of a namespace that has not joined the mesh, or does not exist. Who calls from there proves no name.',
    remedy: 'Let the namespace join the mesh, or correct its name.',
    find: (known) =>
      readAs(known, meshRoleBinding).flatMap(({ object, spec }) =>
        spec.subjects.flatMap(({ namespace, serviceAccount }, index) => {
          if (namespace?.trustDomain !== undefined || serviceAccount?.trustDomain !== undefined) return [];
          const named =
            namespace?.name ??
            (serviceAccount === undefined ? undefined : (serviceAccount.namespace ?? object.namespace));
          return named === undefined
            ? []
            : callerNobodyHas(known, named, { object, path: `spec.subjects[${index}]` });
        }),
      ),
  },
  {
    code: 'WEFT405',
    severity: 'warning',
    title: 'Open to everybody',
    meaning: 'The binding allows callers who have proved nothing, from outside the mesh, too.',
    remedy: 'Name those who need it; caller: Authenticated is everybody with a name in the mesh.',
    find: (known) =>
      readAs(known, meshRoleBinding).flatMap(({ object, spec }) =>
        spec.effect === 'Deny' || spec.mode === 'DryRun'
          ? []
          : spec.subjects.flatMap(({ caller }, index) =>
              caller === 'Anyone' || caller === 'Unauthenticated'
                ? [
                    {
                      object,
                      path: `spec.subjects[${index}].caller`,
                      message: `${caller} are callers that have proved nothing, from outside the mesh, too; name those who need it`,
                    },
                  ]
                : [],
            ),
      ),
  },
  {
    code: 'WEFT406',
    severity: 'warning',
    title: 'JwtIssuer that nobody uses',
    meaning: 'No binding that acts and no limit names the issuer, so that its tokens are not looked at.',
    remedy: 'Name it in a MeshRoleBinding or in the key of a limit, or delete it.',
    find: (known) =>
      known.complete
        ? ofKind(known, 'JwtIssuer', names.API_GROUP).flatMap((object) => {
            const issuer = known.mesh.jwtIssuers.get(object.uid);
            return issuer === undefined || isJwtIssuerInForce(known.mesh, issuer)
              ? []
              : [
                  {
                    object,
                    path: 'spec.issuer',
                    message:
                      'no binding and no limit in force names it; name it in one, or delete the JwtIssuer',
                  },
                ];
          })
        : [],
  },
  {
    code: 'WEFT407',
    severity: 'warning',
    title: 'Access rules where no proxy judges',
    meaning:
      'Rules hold at the proxies of the pods of their namespace, and no pod there has one: everybody may do everything.',
    remedy: 'Let the namespace join the mesh and recreate its pods.',
    find: (known) =>
      readAs(known, meshRoleBinding).flatMap(({ object }) => {
        const pods = podsBehind(known, object.namespace, {});
        return pods.length === 0 || pods.some(({ meshed }) => meshed)
          ? []
          : [
              {
                object,
                path: '',
                message: `no pod of namespace ${object.namespace} has a proxy that would judge; let the namespace join the mesh`,
              },
            ];
      }),
  },
  {
    code: 'WEFT408',
    severity: 'warning',
    title: 'Rule about a port that its Services do not have',
    meaning: 'The rule names a port that none of its Services has, so it concerns nothing there.',
    remedy: 'Name a port of the Service, not of the pods; without services it is one of the pods.',
    find: (known) =>
      readAs(known, meshRole).flatMap(({ object, spec }) =>
        spec.rules.flatMap(({ services = [], ports = [] }, rule) => {
          const targets = services.flatMap(
            (name) => known.mesh.services.get(`${object.namespace}/${name}`) ?? [],
          );
          if (targets.length === 0 || targets.length < services.length) return [];
          const there = new Set(targets.flatMap((service) => service.ports.map(({ port }) => port)));
          return ports.flatMap((port, index) =>
            there.has(port)
              ? []
              : [
                  {
                    object,
                    path: `spec.rules[${rule}].ports[${index}]`,
                    message: `no Service of the rule has port ${port}; they have ${[...there].join(', ')}`,
                  },
                ],
          );
        }),
      ),
  },
  {
    code: 'WEFT409',
    severity: 'warning',
    title: 'Rule about requests where there are none',
    meaning:
      'A rule asks about methods, paths or headers at a port that carries bytes: it allows nothing there, or denies every connection.',
    remedy: 'Add a rule without them for the ports that carry bytes, or name other ports.',
    find: (known) =>
      ofKind(known, 'MeshRoleBinding', names.API_GROUP).flatMap((object) => {
        const binding = known.mesh.roleBindings.get(object.uid);
        return binding === undefined
          ? []
          : bytesNotes(known.mesh, binding).map((message) => ({ object, path: 'spec.roleRef', message }));
      }),
  },
  {
    code: 'WEFT410',
    severity: 'warning',
    title: 'MeshTLSPolicy that selects no pod',
    meaning: 'No pod of the namespace has the labels of its selector, so that the mode holds nowhere.',
    remedy: 'Correct matchLabels.',
    find: (known) =>
      known.complete
        ? readAs(known, meshTlsPolicy).flatMap(({ object, spec }) => {
            const wanted = spec.selector?.matchLabels ?? {};
            const isAll = Object.keys(wanted).length === 0;
            return isAll || podsBehind(known, object.namespace, wanted).length > 0
              ? []
              : [
                  {
                    object,
                    path: 'spec.selector.matchLabels',
                    message:
                      'no pod of the namespace has these labels, so that the mode holds nowhere; correct them',
                  },
                ];
          })
        : [],
  },
  {
    code: 'WEFT411',
    severity: 'warning',
    title: 'Exception from mutual TLS',
    meaning:
      'The mesh refuses callers in plain text, and this policy lets them in, or turns mutual TLS off. Exceptions are made for a migration, and forgotten after it.',
    remedy: 'Remove the exception once weft status -n NAMESPACE names no caller in plain text.',
    find: (known) =>
      readAs(known, meshTlsPolicy).flatMap(({ object, spec }) => {
        if (known.mesh.settings.mtls !== 'strict') return [];
        const said = [
          { mode: spec.mode, path: 'spec.mode' },
          ...(spec.ports ?? []).map(({ mode }, index) => ({ mode, path: `spec.ports[${index}].mode` })),
        ];
        return said
          .filter(({ mode }) => mode === 'Permissive' || mode === 'Disabled')
          .map(({ mode, path }) => ({
            object,
            path,
            message: `is ${mode ?? ''}, and the mesh is Strict; remove it once nobody calls in plain text (weft status -n ${object.namespace})`,
          }));
      }),
  },
]);

/** The account `default` is in every namespace. */
function absentAccounts(known: Known): readonly Place[] {
  if (!known.complete) return [];
  const there = new Set(
    ofKind(known, 'ServiceAccount', '').map(({ namespace, name }) => `${namespace}/${name}`),
  );
  return readAs(known, meshRoleBinding).flatMap(({ object, spec }) =>
    spec.subjects.flatMap(({ serviceAccount }, index) => {
      if (serviceAccount === undefined || serviceAccount.trustDomain !== undefined) return [];
      const named = `${serviceAccount.namespace ?? object.namespace}/${serviceAccount.name}`;
      if (serviceAccount.name === 'default' || there.has(named)) return [];
      return [
        {
          object,
          path: `spec.subjects[${index}].serviceAccount`,
          message: `there is no ServiceAccount ${named}; correct its name or namespace`,
        },
      ];
    }),
  );
}
