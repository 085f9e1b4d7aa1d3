import { type EnvoyExtras, TYPES } from '../envoy.js';
import { type Stored, denied, granted } from './objects.js';

/** Rules of a role, which is bound to one caller; Envoy has a policy for each such binding. */
const RULES = 25;
/** Who is let in, by the last rule of all. */
const CALLER = 'client';

interface Binding {
  readonly name: string;
  readonly caller: string;
  readonly paths: readonly string[];
}

/** So many rules, each one path for one method, of which the very last is about what is asked. */
function bindings(count: number): readonly Binding[] {
  const roles = Math.ceil(count / RULES);
  return Array.from({ length: roles }, (_, role) => {
    const last = role === roles - 1;
    const number = String(role).padStart(5, '0');
    const paths = Array.from({ length: RULES }, (__, rule) =>
      last && rule === RULES - 1 ? '/' : `/role-${number}/path-${rule}`,
    );
    return { name: `role-${number}`, caller: last ? CALLER : `caller-${number}`, paths };
  });
}

/** As objects of Weft. */
export function roles(count: number): readonly Stored[] {
  const objects = bindings(count).flatMap(({ name, caller, paths }) =>
    granted(
      name,
      paths.map((path) => ({ methods: ['GET'], paths: [path] })),
      [{ serviceAccount: { name: caller } }],
    ),
  );
  return [denied(), ...objects];
}

/** As Envoy's filter. */
export function rbac(count: number): EnvoyExtras {
  const policies = bindings(count).map(({ name, caller, paths }) => [
    name,
    {
      permissions: paths.map((path) => ({
        and_rules: {
          rules: [
            { header: { name: ':method', string_match: { exact: 'GET' } } },
            { url_path: { path: { exact: path } } },
          ],
        },
      })),
      principals: [
        { authenticated: { principal_name: { exact: `spiffe://cluster.local/ns/shop/sa/${caller}` } } },
      ],
    },
  ]);
  const rules = { action: 'ALLOW', policies: Object.fromEntries(policies) as object };
  const type = `${TYPES}.filters.http.rbac.v3.RBAC`;
  return { filters: [{ name: 'envoy.filters.http.rbac', typed_config: { '@type': type, rules } }] };
}
