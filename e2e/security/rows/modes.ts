import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../netns/process.js';
import { PORTS } from '../../scenarios/objects.js';
import { CONNECTIONS, type Ground } from '../ground.js';
import { together, type Played, type Row } from '../row.js';
import { dial, send } from '../wires.js';

const POLICIES = '/apis/weft.dev/v1alpha1/meshtlspolicies';
const MESH_WIRES = ['weft1-h1', 'weft1-h2', 'weft1-tcp'] as const;
type Port = 'http' | 'grpc' | 'tcp' | 'undeclared';
const ALL: readonly Port[] = ['http', 'grpc', 'tcp', 'undeclared'];
/** Raw connections end when they pause, after ten seconds at the latest. */
const ENDS_WITHIN_MS = 20_000;
const PATIENCE_MS = 10_000;
/** Longest that the callers call: all changes take a fraction of it, and who is still there then hangs. */
const LOAD_LASTS_MS = 600_000;

/** A policy, and the ports that it closes. */
interface Change {
  readonly name: string;
  readonly spec: object;
  readonly closes: readonly Port[];
}
const selector = { matchLabels: { app: 'server' } };
const CHANGES: readonly Change[] = [
  { name: 'the namespace', spec: { mode: 'Strict' }, closes: ALL },
  { name: 'some pods', spec: { selector, mode: 'Strict' }, closes: ALL },
  {
    name: 'a port',
    spec: { selector, ports: [{ port: PORTS.http, mode: 'Strict' }] },
    closes: ['http'],
  },
  {
    name: 'all but a port',
    spec: { selector, mode: 'Strict', ports: [{ port: PORTS.http, mode: 'Permissive' }] },
    closes: ['grpc', 'tcp', 'undeclared'],
  },
];

/** The row about modes that change while everybody calls. */
export function modeRows(ground: Ground): readonly Row[] {
  return [
    {
      area: 'mTLS modes',
      name: 'by namespace, workload and port, changed under load: callers of the mesh lose nothing, plain text does not arrive where it is refused',
      play: async () => {
        await ground.rule({ byDefault: 'Allow', bindings: {} });
        const [pod] = await ground.world.start({ name: 'steady', app: 'steady' });
        const load = begin();
        try {
          const played: Played[] = [];
          for (const change of CHANGES) played.push(await play(ground, change));
          played.push(await load.end());
          return together(played);
        } finally {
          load.kill();
          await pod.remove();
        }
      },
    },
  ];
}

/** Callers in a pod with our proxy; `end` says what they met, and `kill` leaves nothing of them. */
function begin(): { readonly end: () => Promise<Played>; readonly kill: () => void } {
  const { http, grpc, tcp } = PORTS;
  const command = [process.execPath, resolve('e2e/security/steady.mjs'), '10.96.0.5', http, grpc, tcp];
  const child = spawn('ip', ['netns', 'exec', 'steady', ...command.map(String)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    signal: AbortSignal.timeout(LOAD_LASTS_MS),
    killSignal: 'SIGKILL',
  });
  child.on('error', () => undefined); // then what it has said is no JSON
  const said = text(child.stdout);
  const end = async (): Promise<Played> => {
    child.stdin.end();
    const { done, broken } = JSON.parse(await said) as {
      done: Readonly<Record<string, number>>;
      broken: readonly string[];
    };
    const idle = Object.entries(done).filter(([, count]) => count < 50);
    return {
      attempts: 0,
      twins: Object.values(done).reduce((sum, count) => sum + count, 0),
      wrong: [
        ...broken.map((what) => `a caller in the mesh: ${what}`),
        ...idle.map(([name, count]) => `a caller in the mesh, ${name}, did ${count} things only`),
      ],
    };
  };
  return { end, kill: () => child.kill('SIGKILL') };
}

/** Whether somebody without a certificate is answered. */
async function passes(ground: Ground, port: Port, mark: string): Promise<boolean> {
  const wire = port === 'grpc' ? 'plain-h2' : 'plain';
  const answer = await send(ground.at(port), wire, undefined, { target: `/${mark}` });
  return answer?.status === 200;
}

/** Each thread of the proxy is told by itself. */
async function settled(ground: Ground, ports: readonly Port[], open: boolean): Promise<void> {
  await until(`plain text ${open ? 'passes' : 'is refused'} at ${ports.join()}`, async () => {
    const asked = ports.flatMap((port) => Array.from({ length: CONNECTIONS }, () => port));
    const passed = await Promise.all(asked.map(async (port) => passes(ground, port, 'settled')));
    if (passed.includes(!open)) throw new Error(`${passed.filter((one) => one).length} pass`);
  });
}

async function play(ground: Ground, { name, spec, closes }: Change): Promise<Played> {
  await settled(ground, ALL, true);
  const open = await Promise.all(
    closes.filter((port) => port !== 'grpc').map(async (port) => Open.at(ground, port)),
  );
  const certificate = await ground.certificate();
  ground.apply(POLICIES, 'MeshTLSPolicy', 'changed', spec);
  await settled(ground, closes, false);
  // From here on nothing new may arrive; what was open has its time to end.
  const wrong: string[] = [];
  const strict = async (round: string): Promise<void> => {
    const got = await Promise.all(closes.map(async (port) => passes(ground, port, `strict-${round}`)));
    if (got.includes(true)) wrong.push(`${name}: plain text is answered where it is refused`);
  };
  for (let round = 0; round < 10; round += 1) await strict(String(round));
  for (const one of open)
    if (!(await one.ended())) wrong.push(`${name}: what was open at ${one.port} stays so`);
  await ground.arrived();
  for (let round = 0; round < 10; round += 1) await strict(`late-${round}`);
  const kept = ALL.filter((port) => !closes.includes(port));
  const twins = [
    ...(await Promise.all(kept.map(async (port) => passes(ground, port, 'kept-open')))),
    ...(await Promise.all(
      MESH_WIRES.map(
        async (wire) =>
          (await send(ground.at('http'), wire, certificate, { target: '/kept-open' }))?.status === 200,
      ),
    )),
  ];
  if (twins.includes(false)) wrong.push(`${name}: what may pass does not`);
  const arrived = (await ground.arrived()).filter(({ bytes }) => bytes.includes('/strict-'));
  wrong.push(
    ...arrived.map(({ port, bytes }) => `${name}: at ${port} ${JSON.stringify(bytes.slice(0, 60))} arrived`),
  );
  ground.world.api.remove(POLICIES, { namespace: 'shop', name: 'changed' });
  await settled(ground, ALL, true);
  return { attempts: 20 * closes.length + open.length, twins: twins.length + ALL.length, wrong };
}

/** A connection in plain text that was open before, and is used all the time. */
class Open {
  readonly port: Port;
  readonly #socket: Socket;

  private constructor(port: Port, socket: Socket) {
    this.port = port;
    this.#socket = socket;
  }

  static async at(ground: Ground, port: Port): Promise<Open> {
    const socket = dial(ground.at(port), 'plain', undefined);
    socket.on('error', () => undefined);
    const made = new Open(port, socket);
    // A peer that closes in good order says neither of them, and makes no error.
    const signal = AbortSignal.timeout(PATIENCE_MS);
    await once(socket, 'connect', { signal });
    made.say('before');
    await once(socket, 'data', { signal });
    socket.resume();
    return made;
  }

  say(mark: string): void {
    const bytes = this.port === 'tcp' ? `ECHO ${mark}\n` : `GET /${mark} HTTP/1.1\r\nhost: server\r\n\r\n`;
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  /** Goes on talking until somebody ends it. */
  async ended(): Promise<boolean> {
    const deadline = Date.now() + ENDS_WITHIN_MS;
    while (!this.#socket.destroyed && Date.now() < deadline) {
      this.say('still-open');
      await sleep(100);
    }
    const ended = this.#socket.destroyed;
    if (!ended) this.#socket.destroy();
    return ended;
  }
}
