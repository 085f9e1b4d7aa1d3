import {
  type GrpcRule,
  type HttpRule,
  type ParentRef,
  type RouteMetadata,
  grpcRoute,
  httpRoute,
  tcpRoute,
  tlsRoute,
} from '../../../api/index.js';
import { serviceKey } from '../../words/keys.js';
import type { PolicyRoute } from '../../words/policy.js';
import type { RouteActions } from '../../words/route-actions.js';
import { isService } from './backend-kind.js';
import { nowhere, readBackends } from './backends.js';
import { EVERY_CONNECTION, readConnectionRule, readServerNames } from './connection-rule.js';
import { GRPC_RULE_FILTERS, HTTP_RULE_FILTERS, type ReadFilters, readFilters } from './filters.js';
import { readGrpcMatch } from './grpc-match.js';
import { readHttpMatch } from './http-match.js';
import type { MeshRoute, RankedMatch, RouteKind, RouteParent } from '../../words/mesh-route.js';
import { Notes } from './notes.js';
import { readRetries, readTimeouts } from './resilience.js';
import type { ReadRule, RulePlace } from './rule.js';
import { withUniqueNames } from './rule-names.js';
import { readSession } from './session.js';

/**
 * A route of Gateway API as the API server stores it, in terms of the mesh. Undefined when it has not the shape that
 * version 1 gives it; keep the last good one then.
 */
export function toMeshRoute(kind: RouteKind, object: unknown): MeshRoute | undefined {
  return READERS[kind](object);
}

const READERS: Readonly<Record<RouteKind, (object: unknown) => MeshRoute | undefined>> = {
  HTTPRoute: (object) => {
    const { success, data } = httpRoute.safeParse(object);
    return success ? translate('HTTPRoute', data, readHttpRule) : undefined;
  },
  GRPCRoute: (object) => {
    const { success, data } = grpcRoute.safeParse(object);
    return success ? translate('GRPCRoute', data, readGrpcRule) : undefined;
  },
  TLSRoute: (object) => {
    const { success, data } = tlsRoute.safeParse(object);
    if (!success) return undefined;
    const matches = readServerNames(data.spec.hostnames);
    return translate('TLSRoute', data, (rule, place) => readConnectionRule(rule, matches, place));
  },
  TCPRoute: (object) => {
    const { success, data } = tcpRoute.safeParse(object);
    if (!success) return undefined;
    return translate('TCPRoute', data, (rule, place) => readConnectionRule(rule, EVERY_CONNECTION, place));
  },
};

function translate<Rule extends { readonly name?: string | undefined }>(
  kind: RouteKind,
  route: {
    readonly metadata: RouteMetadata;
    readonly spec: { readonly parentRefs: readonly ParentRef[]; readonly rules: readonly Rule[] };
  },
  read: (rule: Rule, place: RulePlace) => ReadRule,
): MeshRoute {
  const { metadata, spec } = route;
  const { name, namespace } = metadata;
  const from = { group: 'gateway.networking.k8s.io', kind, namespace };
  const named = withUniqueNames(spec.rules);
  const rules = named.rules.map((rule, index) => read(rule, { from, route: name, index }));
  return {
    ref: { kind, ...metadata },
    parents: spec.parentRefs.flatMap((ref) => readParent(ref, namespace)),
    rules: rules.flatMap(({ rule }) => (rule === undefined ? [] : [rule])),
    problems: rules.flatMap(({ problems }) => problems),
    ...(named.notes.length === 0 ? {} : { notes: named.notes }),
    written: spec.rules.length,
  };
}

/** Gateways and whatever else is not a Service have other controllers. */
function readParent(ref: ParentRef, namespace: string): readonly RouteParent[] {
  const { group, kind, name, port, sectionName } = ref;
  if (!isService(ref)) return [];
  const optional = {
    ...(port === undefined ? {} : { port }),
    ...(sectionName === undefined ? {} : { sectionName }),
  };
  return [
    {
      service: serviceKey(ref.namespace ?? namespace, name),
      ...(port === undefined ? {} : { port }),
      ...(sectionName === undefined ? {} : { portName: sectionName }),
      written: {
        group,
        kind,
        ...(ref.namespace === undefined ? {} : { namespace: ref.namespace }),
        name,
        ...optional,
      },
    },
  ];
}

function readHttpRule(rule: HttpRule, place: RulePlace): ReadRule {
  const field = `spec.rules[${place.index}]`;
  const notes = new Notes(place.index);
  const matches = rule.matches.map((match, i) => readHttpMatch(match, `${field}.matches[${i}]`, notes));
  if (notes.refusal !== undefined) return { problems: notes.problems };
  const filters = { field: `${field}.filters`, from: place.from, types: HTTP_RULE_FILTERS };
  const read = readFilters(rule.filters, filters, notes);
  const extras = {
    ...readTimeouts(rule.timeouts, `${field}.timeouts`, notes),
    ...readRetries(rule.retry, `${field}.retry`, notes),
  };
  checkPrefix(read.actions, matches, { field, notes });
  return finish(rule, {
    place,
    notes,
    read,
    extras,
    matches: matches.length === 0 ? [ANY_HTTP] : matches,
  });
}

function readGrpcRule(rule: GrpcRule, place: RulePlace): ReadRule {
  const field = `spec.rules[${place.index}]`;
  const notes = new Notes(place.index);
  const matches = rule.matches.map((match, i) => readGrpcMatch(match, `${field}.matches[${i}]`, notes));
  if (notes.refusal !== undefined) return { problems: notes.problems };
  const filters = { field: `${field}.filters`, from: place.from, types: GRPC_RULE_FILTERS };
  const read = readFilters(rule.filters, filters, notes);
  return finish(rule, {
    place,
    notes,
    read,
    extras: {},
    matches: matches.length === 0 ? [ANY_GRPC] : matches,
  });
}

const ANY_HTTP: RankedMatch = { match: { headers: [] }, rank: [0, 0, 0, 0, 0] };
const ANY_GRPC: RankedMatch = { match: { headers: [] }, rank: [0, 0, 0, 0, 0] };

interface Parts {
  readonly place: RulePlace;
  readonly notes: Notes;
  readonly matches: readonly RankedMatch[];
  readonly read: ReadFilters;
  readonly extras: Pick<PolicyRoute, 'timeouts' | 'retries'>;
}

/** Half of a rule would be another rule, so one that cannot act as a whole answers 500 to what it matches. */
function finish(rule: HttpRule | GrpcRule, { place, notes, matches, read, extras }: Parts): ReadRule {
  const { from, route, index } = place;
  const field = `spec.rules[${index}]`;
  const session = readRuleSession(rule, place, notes);
  const refs = `${field}.backendRefs`;
  const split =
    read.actions?.answer === undefined ? readBackends(rule.backendRefs, { from, field: refs }, notes) : [];
  const { refusal } = notes;
  const name = `${route}/${rule.name ?? `rule-${index}`}`;
  const acting = { name, split, ...extras, ...session, ...read };
  return {
    rule: {
      index,
      ...(rule.name === undefined ? {} : { section: rule.name }),
      route: refusal === undefined ? acting : { name, split: [nowhere(refusal, field)] },
      matches,
    },
    problems: notes.problems,
  };
}

/** The cookie of a rule is for the path by which the rule was taken, unless the rule says another. */
function readRuleSession(
  { sessionPersistence, name }: HttpRule | GrpcRule,
  { from, route, index }: RulePlace,
  notes: Notes,
): Pick<PolicyRoute, 'session'> {
  if (sessionPersistence === undefined) return {};
  const session = readSession(sessionPersistence, {
    field: `spec.rules[${index}].sessionPersistence`,
    owner: `route/${from.namespace}/${route}/${name ?? index}`,
    refuse: (field, message) => notes.unsupported(field, message),
  });
  if (session === undefined) return {};
  return { session: session.path === undefined ? { ...session, byPath: true } : session };
}

/** A prefix is replaced where a prefix matched. */
function checkPrefix(
  actions: RouteActions | undefined,
  matches: readonly RankedMatch[],
  { field, notes }: { readonly field: string; readonly notes: Notes },
): void {
  const answer = actions?.answer?.kind === 'redirect' ? actions.answer : undefined;
  const changes = [actions?.rewrite?.path, answer?.path];
  if (!changes.some((change) => change?.kind === 'prefix')) return;
  if (matches.length > 0 && matches.every(({ match }) => match.path?.kind === 'prefix')) return;
  notes.unsupported(
    `${field}.matches`,
    'ReplacePrefixMatch needs a PathPrefix in each match of the rule; add it or use ReplaceFullPath',
  );
}
