import type { ConnectionRule } from '../../../api/index.js';
import type { RankedMatch } from '../../words/mesh-route.js';
import { readBackends } from './backends.js';
import { Notes } from './notes.js';
import type { ReadRule, RulePlace } from './rule.js';

/** What a rule of a TCPRoute matches. */
export const EVERY_CONNECTION: readonly RankedMatch[] = [{ match: { headers: [] }, rank: [] }];

/**
 * What the hostnames of a TLSRoute match, with the precedence of the API: the longest name that is not a wildcard, then the
 * longest wildcard. A name is that which the TLS of the caller asks for.
 */
export function readServerNames(hostnames: readonly string[]): readonly RankedMatch[] {
  const names = hostnames.length === 0 ? ['*'] : [...new Set(hostnames.map((name) => name.toLowerCase()))];
  const rankOf = (name: string): readonly number[] => [name.startsWith('*') ? 0 : 1, name.length];
  const ofOneRank = Map.groupBy(names, (name) => rankOf(name).join());
  return [...ofOneRank.values()].map((serverNames) => ({
    match: { headers: [], serverNames },
    rank: rankOf(serverNames[0] ?? ''),
  }));
}

/** The rule of a TLSRoute or TCPRoute. Such a route has one; what was stored under an older version may have more. */
export function readConnectionRule(
  { name, backendRefs }: ConnectionRule,
  matches: readonly RankedMatch[],
  { from, route, index }: RulePlace,
): ReadRule {
  const field = `spec.rules[${index}]`;
  const notes = new Notes(index);
  if (index > 0) {
    notes.unsupported(
      field,
      `a ${from.kind} has a single rule; move its backends there or create another route`,
    );
    return { problems: notes.problems };
  }
  const refs = backendRefs.map((ref) => ({ ...ref, filters: [] }));
  return {
    rule: {
      index,
      ...(name === undefined ? {} : { section: name }),
      route: {
        name: `${route}/${name ?? `rule-${index}`}`,
        split: readBackends(refs, { from, field: `${field}.backendRefs` }, notes),
      },
      matches,
    },
    problems: notes.problems,
  };
}
