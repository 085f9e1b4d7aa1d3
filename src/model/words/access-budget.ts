import type { MeshRoleBinding, RoleRule } from './access.js';

/**
 * What the bindings of one namespace may hold together: the proxy of each of its pods keeps them in memory. It checks the same
 * numbers, of `src/wire/budget.json`. `docs/access.md` tells users.
 */
export const ACCESS_BUDGET: AccessCost = {
  /** Pairs of a subject and a rule. */
  accessGrants: 16_384,
  /** Of such pairs those with each port and path. */
  accessEntries: 65_536,
  /** Bytes of all that is written: an upper bound of what they take on the wire. */
  accessBytes: 2 * 1024 * 1024,
};

/** What bindings take of the budget. */
export interface AccessCost {
  readonly accessGrants: number;
  readonly accessEntries: number;
  readonly accessBytes: number;
}

export const FREE_ACCESS: AccessCost = { accessGrants: 0, accessEntries: 0, accessBytes: 0 };

/** What one binding costs. */
export function accessCostOf({ subjects, ref }: MeshRoleBinding, rules: readonly RoleRule[]): AccessCost {
  const entries = rules.map(({ ports = [], services = [], paths = [] }) => {
    const places = Math.max(ports.length, 1) * Math.max(services.length, 1);
    return places * Math.max(paths.length, 1);
  });
  return {
    accessGrants: subjects.length * rules.length,
    accessEntries: subjects.length * entries.reduce((total, one) => total + one, 0),
    accessBytes:
      Buffer.byteLength(JSON.stringify([subjects, rules, ref.name])) + 16 * subjects.length * rules.length,
  };
}

/** What both cost together. */
export function joinedAccess(a: AccessCost, b: AccessCost): AccessCost {
  return {
    accessGrants: a.accessGrants + b.accessGrants,
    accessEntries: a.accessEntries + b.accessEntries,
    accessBytes: a.accessBytes + b.accessBytes,
  };
}

/** What does not fit into the budget, in words; undefined where all does. */
export function accessExcess(cost: AccessCost): string | undefined {
  const over = (Object.keys(WORDS) as (keyof AccessCost)[]).find((name) => cost[name] > ACCESS_BUDGET[name]);
  return over === undefined ? undefined : `${cost[over]} ${WORDS[over]}, of ${ACCESS_BUDGET[over]} at most`;
}

const WORDS: Readonly<Record<keyof AccessCost, string>> = {
  accessGrants: 'pairs of a subject and a rule',
  accessEntries: 'paths of such pairs',
  accessBytes: 'bytes of access rules',
};
