import { durationMs } from '../../api/index.js';
import type { Service } from '../../model/index.js';
import { policiesOf, policyRoutes, targetsOf, type PolicyObject, type RouteOfPolicy } from './policies.js';
import { podsBehind, type Known } from './known.js';
import { rows, type Place } from './row.js';

/** Times, tries and limits that do not go together. */
export const RESILIENCE_ROWS = rows([
  {
    code: 'WEFT331',
    severity: 'warning',
    title: 'Tries that do not fit into the time of the request',
    meaning:
      'All tries together may take longer than the request may: the last ones are cut off, or never begin.',
    remedy:
      'Lower perTry or attempts, or raise request: (attempts + 1) times perTry should fit into request.',
    find: eachRoute(({ route }) => tooManyTries(route)),
  },
  {
    code: 'WEFT332',
    severity: 'warning',
    title: 'Hedging together with retries',
    meaning:
      'Each try may be copied, and each copy that fails tried again. Both spend one budget, so that under load neither has what it needs.',
    remedy:
      'Keep hedging for slow answers or retries for failures; where both are meant, raise retries.budget knowingly.',
    find: eachRoute(({ route: { hedging, retries } }) =>
      hedging === undefined || retries === undefined
        ? []
        : [
            [
              'hedging',
              'spends the budget of retries; keep one of the two, or give retries.budget what both need',
            ],
          ],
    ),
  },
  {
    code: 'WEFT333',
    severity: 'warning',
    title: 'Retries of requests that may have been acted on',
    meaning:
      'POST and PATCH are sent again although the server may have done what they ask: an order may be placed twice.',
    remedy:
      'Leave methods out, or make sure that the server recognises a request that comes again. gRPC is always POST.',
    find: eachRoute(({ route: { retries } }) => unsafe(retries?.methods, 'retries.methods', 'sent again')),
  },
  {
    code: 'WEFT334',
    severity: 'warning',
    title: 'Copies of requests that are not idempotent',
    meaning: 'POST and PATCH are sent to two endpoints that both act on them whenever an answer is slow.',
    remedy:
      'Leave methods out, or make sure that the server recognises a request that comes twice. gRPC is always POST.',
    find: eachRoute(({ route: { hedging } }) => unsafe(hedging?.methods, 'hedging.methods', 'copied')),
  },
  {
    code: 'WEFT335',
    severity: 'warning',
    title: 'Hedging that comes too late',
    meaning: 'The copy is sent when the try, or the request, is already out of time: never.',
    remedy: 'Lower the delay below perTry and request.',
    find: eachRoute(({ route: { hedging, timeouts } }) => {
      const delay = milliseconds(hedging?.delay);
      const limits = [timeouts?.perTry, timeouts?.request].flatMap((text) => milliseconds(text) ?? []);
      if (delay === undefined || limits.length === 0 || delay < Math.min(...limits)) return [];
      return [
        [
          'hedging.delay',
          `is not below the time that a try may take, so that no copy is ever sent; lower it below ${Math.min(...limits)}ms`,
        ],
      ];
    }),
  },
  {
    code: 'WEFT336',
    severity: 'warning',
    title: 'Backoff longer than the request may take',
    meaning:
      'The pause before the first retry is longer than the whole request may take, so that nothing is retried.',
    remedy: 'Lower backoff, or raise timeouts.request.',
    find: eachRoute(({ route: { retries, timeouts } }) => {
      const [backoff, request] = [milliseconds(retries?.backoff), milliseconds(timeouts?.request)];
      if (backoff === undefined || request === undefined || backoff < request) return [];
      return [
        [
          'retries.backoff',
          `is not below the ${timeouts?.request ?? ''} that the request may take, so that nothing is retried; lower it`,
        ],
      ];
    }),
  },
  {
    code: 'WEFT337',
    severity: 'note',
    title: 'Idle timeout that a request never reaches',
    meaning:
      'A request may be silent for longer than it may take, so that for requests the idle timeout does nothing; upgraded connections have it.',
    remedy: 'Lower idle below request, or leave it for WebSockets alone.',
    find: eachRoute(({ route: { timeouts } }) => {
      const [idle, request] = [milliseconds(timeouts?.idle), milliseconds(timeouts?.request)];
      if (idle === undefined || request === undefined || idle < request) return [];
      return [
        [
          'timeouts.idle',
          `is not below request (${timeouts?.request ?? ''}), so that it only concerns upgraded connections`,
        ],
      ];
    }),
  },
  {
    code: 'WEFT338',
    severity: 'note',
    title: 'Burst below the requests of the limit',
    meaning:
      'Callers that send at once are refused although they keep to the rate: requests are spaced, with burst 1 evenly.',
    remedy:
      'Leave burst out to let in as many at once as in the whole time, or keep it where spacing is meant.',
    find: (known) =>
      policiesOf(known).flatMap(({ object, spec }) =>
        (spec.rateLimit ?? []).flatMap(({ burst, requests }, index) =>
          burst === undefined || requests === undefined || burst >= requests
            ? []
            : [
                {
                  object,
                  path: `spec.rateLimit[${index}].burst`,
                  message: `is below requests (${requests}): of ${requests} that come at once ${requests - burst} are refused`,
                },
              ],
        ),
      ),
  },
  {
    code: 'WEFT339',
    severity: 'warning',
    title: 'Limit with fewer requests than pods that share it',
    meaning:
      'Each ready pod has its part of the limit and lets in one request at least, so that together they let in more than the limit says at once.',
    remedy: 'Raise the limit, or let fewer pods share it.',
    find: (known) => (known.live ? policiesOf(known).flatMap((policy) => thinLimits(known, policy)) : []),
  },
  {
    code: 'WEFT340',
    severity: 'warning',
    title: 'Faults on purpose are in force',
    meaning:
      'Requests are failed, delayed or slowed down because a policy says so. That is meant during an experiment, and forgotten after it.',
    remedy: 'Remove fault from the route once the experiment is over.',
    find: eachRoute(({ route: { fault } }) =>
      fault === undefined
        ? []
        : [['fault', 'spoils requests on purpose; remove it once the experiment is over']],
    ),
  },
  {
    code: 'WEFT341',
    severity: 'warning',
    title: 'Rehearsal that decides nothing',
    meaning:
      'The limit, the external check or the binding is in mode DryRun: it counts what it would refuse, and refuses nothing.',
    remedy: 'Look at what would be refused, then remove mode or write Enforce.',
    find: rehearsals,
  },
  {
    code: 'WEFT342',
    severity: 'warning',
    title: 'Ejection that ejects nobody',
    meaning: 'maxPercent is 0: endpoints that fail are counted and go on getting requests.',
    remedy: 'Raise maxPercent, or remove circuitBreaker.ejection; the default is 50.',
    find: (known) =>
      policiesOf(known).flatMap(({ object, spec }) =>
        spec.circuitBreaker?.ejection?.maxPercent === 0
          ? [
              {
                object,
                path: 'spec.circuitBreaker.ejection.maxPercent',
                message: 'is 0, so that no endpoint is ever ejected; raise it',
              },
            ]
          : [],
      ),
  },
  {
    code: 'WEFT343',
    severity: 'warning',
    title: 'External check that opens when nobody answers',
    meaning:
      'With onFailure: Allow every request passes unchecked while the checking service is down: whoever can stop that service is in.',
    remedy:
      'Remove onFailure, so that nothing passes unchecked, or keep it where the check is not a matter of security.',
    find: (known) =>
      policiesOf(known).flatMap(({ object, spec }) =>
        spec.externalAuthorization?.onFailure === 'Allow'
          ? [
              {
                object,
                path: 'spec.externalAuthorization.onFailure',
                message: 'lets every request pass unchecked while nobody answers; remove it, to refuse them',
              },
            ]
          : [],
      ),
  },
  {
    code: 'WEFT344',
    severity: 'warning',
    title: 'Limit or check where no proxy enforces it',
    meaning:
      'Rate limits and external checks are enforced by the proxies of the pods behind the Service, and none of these pods has one.',
    remedy: 'Let the pods of the Service join the mesh, or remove the limit.',
    find: (known) => policiesOf(known).flatMap((policy) => unenforced(known, policy)),
  },
  {
    code: 'WEFT345',
    severity: 'note',
    title: 'Policy on a Service whose pods are not in the mesh',
    meaning:
      'Callers in the mesh do what the policy says, and reach these pods in plain text; callers outside the mesh do not know of it.',
    remedy: 'Let the pods join the mesh, if they can.',
    find: (known) =>
      policiesOf(known).flatMap((policy) =>
        targetsOf(known, policy).flatMap(({ path, service }) =>
          isUnmeshed(known, service)
            ? [
                {
                  object: policy.object,
                  path,
                  message: `no pod behind Service ${service.namespace}/${service.name} is in the mesh; callers in the mesh heed the policy, others do not`,
                },
              ]
            : [],
        ),
      ),
  },
]);

function tooManyTries({ timeouts = {}, retries }: RouteOfPolicy['route']): ReturnType<InRoute> {
  const [request, perTry] = [milliseconds(timeouts.request), milliseconds(timeouts.perTry)];
  if (retries === undefined || request === undefined || perTry === undefined) return [];
  const tries = (retries.attempts ?? 2) + 1;
  if (tries * perTry <= request) return [];
  const message = `${tries} tries of ${timeouts.perTry ?? ''} do not fit into the ${timeouts.request ?? ''} of the request; lower perTry or attempts, or raise request`;
  return [['timeouts.perTry', message]];
}

type InRoute = (route: RouteOfPolicy) => readonly (readonly [field: string, message: string])[];

function eachRoute(look: InRoute): (known: Known) => readonly Place[] {
  return (known) =>
    policyRoutes(known).flatMap((route) =>
      look(route).map(([field, message]) => ({
        object: route.object,
        path: `${route.path}.${field}`,
        message,
      })),
    );
}

/** Of a time that limits something; 0s limits nothing. */
function milliseconds(text: string | undefined): number | undefined {
  const ms = text === undefined ? undefined : durationMs(text);
  return ms === 0 ? undefined : ms;
}

function unsafe(methods: readonly string[] | undefined, field: string, done: string): ReturnType<InRoute> {
  const found = methods?.filter((method) => method === 'POST' || method === 'PATCH') ?? [];
  return found.length === 0
    ? []
    : [
        [
          field,
          `${found.join(' and ')} may be ${done} after the server has acted on it; leave it out unless the server recognises the second one`,
        ],
      ];
}

function readyPods(known: Known, { namespace, name }: Service): number {
  const sets = known.mesh.endpointSetsOf(`${namespace}/${name}`);
  return new Set(
    sets.flatMap(({ addresses }) =>
      addresses.filter(({ ready }) => ready).map(({ pod, address }) => pod ?? address),
    ),
  ).size;
}

function thinLimits(known: Known, policy: PolicyObject): readonly Place[] {
  const most = Math.max(0, ...targetsOf(known, policy).map(({ service }) => readyPods(known, service)));
  return (policy.spec.rateLimit ?? []).flatMap(({ requests, burst = requests, scope }, index) =>
    (scope ?? 'Service') !== 'Service' || burst === undefined || burst >= most
      ? []
      : [
          {
            object: policy.object,
            path: `spec.rateLimit[${index}]`,
            message: `${most} pods share a limit that lets in ${burst} at once, and each lets in one at least; raise it`,
          },
        ],
  );
}

function rehearsals(known: Known): readonly Place[] {
  const message =
    'is DryRun: what would be refused is counted and let in; write Enforce, or remove mode, once you have seen that';
  const policies = policiesOf(known).flatMap(({ object, spec }) => [
    ...(spec.rateLimit ?? []).flatMap(({ mode }, index) =>
      mode === 'DryRun' ? [{ object, path: `spec.rateLimit[${index}].mode`, message }] : [],
    ),
    ...(spec.externalAuthorization?.mode === 'DryRun'
      ? [{ object, path: 'spec.externalAuthorization.mode', message }]
      : []),
  ]);
  const bindings = known.objects
    .filter(
      ({ kind, raw }) =>
        kind === 'MeshRoleBinding' &&
        (raw.spec as { readonly mode?: unknown } | undefined)?.mode === 'DryRun',
    )
    .map((object) => ({ object, path: 'spec.mode', message }));
  return [...policies, ...bindings];
}

/** There are pods behind the Service, and none has a proxy. */
export function isUnmeshed(known: Known, { namespace, selector }: Service): boolean {
  if (selector === undefined) return false;
  const behind = podsBehind(known, namespace, selector);
  return behind.length > 0 && behind.every(({ meshed }) => !meshed);
}

function unenforced(known: Known, policy: PolicyObject): readonly Place[] {
  const { rateLimit, externalAuthorization } = policy.spec;
  const field =
    rateLimit !== undefined
      ? 'spec.rateLimit'
      : externalAuthorization !== undefined
        ? 'spec.externalAuthorization'
        : undefined;
  if (field === undefined) return [];
  return targetsOf(known, policy).flatMap(({ service }) =>
    isUnmeshed(known, service)
      ? [
          {
            object: policy.object,
            path: field,
            message: `no pod behind Service ${service.namespace}/${service.name} has a proxy that would enforce it; let the pods join the mesh`,
          },
        ]
      : [],
  );
}
