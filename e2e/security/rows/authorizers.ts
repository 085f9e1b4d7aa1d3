import { NODE } from '../../netns/network.js';
import { until } from '../../netns/process.js';
import { COLLECTIONS, NAMESPACE } from '../../scenarios/objects.js';
import { allowed, answer, Authorizer, denied, REACHING, REFUSING } from '../authorizer.js';
import type { Ground } from '../ground.js';
import type { Played, Row } from '../row.js';
import { send, WIRES, type Answer, type Form } from '../wires.js';

const PORT = 9191;
const NAME = 'checker';

/** The row about who is asked outside of the proxy. */
export function authorizerRows(ground: Ground): readonly Row[] {
  return [
    {
      area: 'ext_authz',
      name: 'an authorizer that is dead, hung, late or hostile lets nobody in, over each wire',
      play: async () => {
        await ground.rule({ byDefault: 'Allow', bindings: {} });
        const authorizer = new Authorizer();
        await authorizer.listen(NODE, PORT);
        ask(ground);
        try {
          return await play(ground, authorizer);
        } finally {
          ground.world.api.remove(COLLECTIONS.policies, { namespace: NAMESPACE, name: 'checked' });
        }
      },
    },
  ];
}

/** A Service outside of the mesh, and a policy that has it asked. */
function ask(ground: Ground): void {
  const { api } = ground.world;
  const [ip, port] = ['10.96.0.9', { name: 'grpc', port: PORT, protocol: 'TCP' }];
  const spec = { clusterIP: ip, clusterIPs: [ip], ports: [{ ...port, appProtocol: 'grpc' }] };
  api.put(COLLECTIONS.services, { metadata: { name: NAME, namespace: NAMESPACE }, spec });
  const labels = { 'kubernetes.io/service-name': NAME };
  api.put(COLLECTIONS.endpointSlices, {
    metadata: { name: `${NAME}-1`, namespace: NAMESPACE, labels },
    addressType: 'IPv4',
    ports: [port],
    endpoints: [{ addresses: [NODE], conditions: { ready: true, serving: true } }],
  });
  ground.apply(COLLECTIONS.policies, 'TrafficPolicy', 'checked', {
    targetRefs: [{ kind: 'Service', name: 'server' }],
    externalAuthorization: { service: { name: NAME, port: PORT }, timeout: '500ms' },
  });
}

/** One request over each wire. */
async function overAll(
  ground: Ground,
  mark: string,
  headers: Form['headers'] = [],
): Promise<readonly Answer[]> {
  const certificate = await ground.certificate();
  const form = { target: `/${mark}`, headers };
  const answers = await Promise.all(
    WIRES.map(async (wire) => send(ground.at('http'), wire, certificate, form)),
  );
  return answers.map((one) => one ?? { status: 0, reason: 'not sent', lines: new Map() });
}

async function play(ground: Ground, authorizer: Authorizer): Promise<Played> {
  authorizer.behaviour = answer(denied());
  await until('the policy acts', async () => {
    const answers = await overAll(ground, 'wait');
    if (answers.some(({ status }) => status !== 403)) throw new Error(JSON.stringify(answers));
  });
  await ground.arrived();
  const wrong: string[] = [];
  let attempts = 0;
  const refused = async (name: string): Promise<void> => {
    attempts += WIRES.length;
    const answers = await overAll(ground, `refused-${attempts}`);
    const arrived = await ground.arrived();
    if (arrived.length > 0) wrong.push(`${name}: ${arrived.length} requests reached the application`);
    if (answers.some(({ status }) => status < 400)) wrong.push(`${name}: ${JSON.stringify(answers)}`);
  };
  const before = authorizer.asked;
  for (const [name, behaviour] of REFUSING) {
    authorizer.behaviour = behaviour;
    await refused(name);
  }
  if (authorizer.asked - before < REFUSING.size)
    wrong.push(`it was asked ${authorizer.asked - before} times only`);
  const passed = await twins(ground, authorizer);
  await authorizer.close();
  await refused('it is dead');
  return {
    attempts: attempts + REACHING.length * WIRES.length,
    twins: passed.twins,
    wrong: [...wrong, ...passed.wrong],
  };
}

/** What it allows passes, with what it may add; not with what it may not, nor with what the caller wrote in its name. */
async function twins(ground: Ground, authorizer: Authorizer): Promise<Pick<Played, 'twins' | 'wrong'>> {
  const wrong: string[] = [];
  authorizer.behaviour = answer(allowed(['x-user', 'web']));
  const passes = async (): Promise<readonly Answer[]> => {
    const answers = await overAll(ground, 'twin', [
      ['x-user', 'admin'],
      ['x_user', 'admin'],
    ]);
    if (answers.some(({ status }) => status !== 200)) throw new Error(JSON.stringify(answers));
    return answers;
  };
  // Who was broken a moment ago may be left alone for a while.
  await until('what it allows passes', passes, 20);
  await ground.arrived();
  await passes();
  const arrived = await ground.arrived();
  if (arrived.length !== WIRES.length) wrong.push(`allowed: ${arrived.length} arrived`);
  if (arrived.some(({ bytes }) => !/x-user: web/i.test(bytes) || bytes.includes('admin')))
    wrong.push('a caller spoke in the name of the authorizer');
  for (const [name, value] of REACHING) {
    authorizer.behaviour = answer(allowed([name, value]));
    await overAll(ground, 'reaching');
    for (const { bytes } of await ground.arrived())
      if (/evil|7777/i.test(bytes)) wrong.push(`it chose ${name}: ${JSON.stringify(bytes.slice(0, 200))}`);
  }
  return { twins: WIRES.length, wrong };
}
