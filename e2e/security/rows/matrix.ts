import { until } from '../../netns/process.js';
import { PORTS as DECLARED } from '../../scenarios/objects.js';
import { CONNECTIONS, UNDECLARED, type Ground, type Rules } from '../ground.js';
import type { Played, Row } from '../row.js';
import { send, WIRES, type Wire } from '../wires.js';

const TLS_POLICIES = '/apis/weft.dev/v1alpha1/meshtlspolicies';
const PORTS = { ...DECLARED, undeclared: UNDECLARED } as const;
type Port = keyof typeof PORTS;

interface Caller {
  readonly account: string;
  readonly namespace: string;
}
/** Beside somebody in plain text, who is nobody. */
const CALLERS: readonly Caller[] = [
  { account: 'web', namespace: 'shop' },
  { account: 'other', namespace: 'shop' },
  { account: 'web-2', namespace: 'shop' },
  { account: 'web', namespace: 'qa' },
];

/** A binding as this file thinks of it; without ports it is about each. */
interface Says {
  readonly effect: 'Allow' | 'Deny';
  readonly who: Partial<Caller>;
  readonly ports?: readonly number[];
  readonly rehearsed?: boolean;
}
interface Mode {
  readonly byDefault: Rules['byDefault'];
  readonly says: readonly Says[];
  readonly strict?: boolean;
}

const WEB = { account: 'web', namespace: 'shop' };
const OTHER = { account: 'other', namespace: 'shop' };
const MODES: readonly Mode[] = [
  { byDefault: 'Deny', says: [] },
  { byDefault: 'Deny', says: [{ effect: 'Allow', who: WEB }] },
  { byDefault: 'Deny', says: [{ effect: 'Allow', who: { namespace: 'qa' }, ports: [8080, 8082] }] },
  { byDefault: 'Allow', says: [{ effect: 'Deny', who: OTHER }] },
  {
    byDefault: 'Deny',
    says: [
      { effect: 'Allow', who: WEB },
      { effect: 'Allow', who: { namespace: 'shop' }, ports: [8081] },
      { effect: 'Deny', who: WEB, ports: [8082] },
    ],
  },
  { byDefault: 'Deny', says: [{ effect: 'Allow', who: WEB, rehearsed: true }] },
  { byDefault: 'Allow', says: [{ effect: 'Deny', who: WEB, ports: [8081] }], strict: true },
];

/** Over these what a port speaks is said, so that who may is heard; over the others it is enough that nobody else is. */
const SPOKEN: Readonly<Record<Port, readonly Wire[]>> = {
  http: WIRES,
  grpc: ['weft1-h2', 'plain-h2'],
  tcp: ['weft1-tcp', 'plain'],
  undeclared: ['weft1-h1', 'plain'],
};

/** The algorithm of the documentation, written a second time by somebody in a hurry. */
function may({ byDefault, says, strict = false }: Mode, caller: Caller | undefined, port: number): boolean {
  if (caller === undefined && strict) return false;
  const about = ({ who, ports, rehearsed = false }: Says): boolean =>
    !rehearsed &&
    caller !== undefined &&
    (who.account === undefined || who.account === caller.account) &&
    (who.namespace === undefined || who.namespace === caller.namespace) &&
    (ports === undefined || ports.includes(port));
  const effects = says.filter(about).map(({ effect }) => effect);
  if (effects.includes('Deny')) return false;
  return effects.includes('Allow') || byDefault === 'Allow';
}

/** The row that tries every caller at every port over every wire, by several sets of rules. */
export function matrixRows(ground: Ground): readonly Row[] {
  return [
    {
      area: 'MeshRole / MeshRoleBinding',
      name: 'caller x port x protocol x mode, against a second implementation of the algorithm',
      play: async () => {
        let [attempts, twins] = [0, 0];
        const wrong: string[] = [];
        for (const [index, mode] of MODES.entries()) {
          const played = await cells(ground, mode, index);
          attempts += played.attempts;
          twins += played.twins;
          wrong.push(...played.wrong);
        }
        return { attempts, twins, wrong };
      },
    },
  ];
}

function toRules({ byDefault, says }: Mode): Rules {
  const bindings = says.map(({ effect, who: { account, namespace }, ports, rehearsed = false }, index) => {
    const subject =
      account === undefined
        ? { namespace: { name: namespace } }
        : { serviceAccount: { name: account, namespace } };
    const spec = { effect, mode: rehearsed ? 'DryRun' : 'Enforce', subjects: [subject] };
    const rules = [ports === undefined ? {} : { services: ['server'], ports }];
    return [`says-${index}`, { spec, rules }] as const;
  });
  return { byDefault, bindings: Object.fromEntries(bindings) };
}

async function cells(ground: Ground, mode: Mode, index: number): Promise<Played> {
  await ground.rule(toRules(mode));
  if (mode.strict === true) await close(ground);
  const all: { mark: string; name: string; allowed: boolean; spoken: boolean }[] = [];
  for (const port of Object.keys(PORTS) as Port[])
    await Promise.all(
      [...CALLERS, undefined].flatMap((caller) =>
        WIRES.filter((wire) => wire.startsWith('plain') === (caller === undefined)).map(async (wire) => {
          const mark = `/cell-${index}-${all.length}-`;
          const who = caller === undefined ? 'nobody' : `${caller.namespace}/${caller.account}`;
          const name = `mode ${index}: ${who} at ${port} over ${wire}`;
          all.push({
            mark,
            name,
            allowed: may(mode, caller, PORTS[port]),
            spoken: SPOKEN[port].includes(wire),
          });
          const certificate =
            caller === undefined ? undefined : await ground.certificate(caller.account, caller.namespace);
          await send(ground.at(port), wire, certificate, { target: mark });
        }),
      ),
    );
  ground.world.api.remove(TLS_POLICIES, { namespace: 'shop', name: 'closed' });
  const arrived = (await ground.arrived()).map(({ bytes }) => bytes).join('');
  const claimed = all.filter(({ allowed, spoken }) => !allowed || spoken);
  return {
    attempts: claimed.filter(({ allowed }) => !allowed).length,
    twins: claimed.filter(({ allowed }) => allowed).length,
    wrong: claimed
      .filter(({ allowed, mark }) => allowed !== arrived.includes(mark))
      .map(({ allowed, name }) => `${name}: ${allowed ? 'did not arrive, and may' : 'arrived, and may not'}`),
  };
}

/** Nobody without a certificate. */
async function close(ground: Ground): Promise<void> {
  ground.apply(TLS_POLICIES, 'MeshTLSPolicy', 'closed', { mode: 'Strict' });
  await until('plain text is refused', async () => {
    const answers = await Promise.all(
      Array.from({ length: CONNECTIONS }, async () =>
        send(ground.at('http'), 'plain', undefined, { target: '/wait' }),
      ),
    );
    if (answers.some((answer) => answer?.status === 200)) throw new Error('it is let in');
  });
}
