import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makePod, removePod } from '../../netns/network.js';
import { type Process, start, stop, until } from '../../netns/process.js';
import { proxyReady, startProxy } from '../../netns/proxy.js';
import { COLLECTIONS, NAMESPACE, pod as podObject, PORTS } from '../../scenarios/objects.js';
import type { ServerIdentity } from '../../../src/grpc/index.js';
import type { Ground } from '../ground.js';
import { together, type Played, type Row } from '../row.js';
import { send, type Wire } from '../wires.js';

const APP = 'receiver';
/** So many at a time, so many times. */
const [TOGETHER, TIMES] = [10, 5];
/** An address that nobody has yet answers nothing: the next attempt must not wait for it. */
const PATIENCE_MS = 300;
const WIRES = ['plain', 'plain-h2', 'weft1-h1', 'weft1-h2', 'weft1-tcp'] as const;

/** The row about pods that start while everybody calls them. */
export function startingRows(ground: Ground): readonly Row[] {
  return [
    {
      area: 'Fail closed on distribution',
      name: `while ${TOGETHER * TIMES} pods start in a namespace that is closed nobody gets in before their rules, over each wire`,
      play: async () => {
        ground.world.service(APP, '10.96.0.7');
        const rules = [{ ports: [PORTS.http], paths: ['/open'] }];
        const spec = { subjects: [{ serviceAccount: { name: 'web' } }] };
        await ground.rule({ byDefault: 'Deny', bindings: { open: { spec, rules } } });
        const played: Played[] = [];
        for (let time = 0; time < TIMES; time += 1) {
          const pods = Array.from({ length: TOGETHER }, (_, index) => time * TOGETHER + index + 1);
          played.push(...(await Promise.all(pods.map(async (pod) => receive(ground, pod)))));
        }
        return together(played);
      },
    },
  ];
}

/** One pod from nothing until it serves who may, with an application that listens before its proxy does; callers at every moment of it. */
async function receive(ground: Ground, number: number): Promise<Played> {
  const { api, directory, plane, programs } = ground.world;
  const [name, address] = [`${APP}-${number}`, `10.99.2.${number}`];
  api.put(COLLECTIONS.pods, podObject(name, APP, { address }));
  await makePod(name, address);
  const callers = new Callers(address, await ground.certificate(), await ground.certificate('other'));
  const { csrPort, configPort } = plane;
  const started: Process[] = [];
  // The callers call already, and end with whatever fails from here on.
  try {
    const proxy = await startProxy({
      ...{ program: programs.proxy, pod: name, serviceAccount: APP, address, directory, csrPort, configPort },
      ...{ bundle: join(directory, 'bundle.pem'), drainSeconds: 1 },
    });
    started.push(proxy);
    const record = join(directory, `${name}.jsonl`);
    const command = [process.execPath, resolve('e2e/security/recorder.mjs'), record, String(PORTS.http)];
    started.push(start(name, command, { name, log: join(directory, `${name}-app.log`) }));
    await until(`${name} is ready`, async () => proxyReady(name));
    const certificate = await ground.certificate();
    await until(`${name} lets in who may`, async () => {
      const answer = await send({ host: address, port: PORTS.http }, 'weft1-h1', certificate, {
        target: '/open',
      });
      if (answer?.status !== 200) throw new Error(String(answer?.status));
    });
    // The gate of the last moments, which the proxy's threads come through one by one.
    await sleep(200);
    const { tried, answered } = await callers.end();
    const arrived = (await readFile(record, 'utf8')).split('\n').filter((line) => line.includes('secret'));
    return {
      attempts: tried,
      twins: 1,
      wrong: [
        ...answered.map((what) => `${name}: ${what}`),
        ...arrived.map((line) => `${name}: ${line.slice(0, 100)} arrived`),
      ],
    };
  } finally {
    await callers.end();
    await stop(started);
    await removePod(name);
    api.remove(COLLECTIONS.pods, { namespace: NAMESPACE, name });
  }
}

interface Try {
  readonly wire: Wire;
  readonly certificate: ServerIdentity | undefined;
  readonly target: string;
}

/** Everybody who may not, over each wire, again and again. */
class Callers {
  #ended = false;
  #tried = 0;
  readonly #answered: string[] = [];
  readonly #running: Promise<unknown>;

  constructor(address: string, may: ServerIdentity, other: ServerIdentity) {
    const at = { host: address, port: PORTS.http };
    // Who may ask for one path asks for another one; who may nothing asks for the one that somebody else may.
    const tries = WIRES.flatMap((wire): readonly Try[] =>
      wire.startsWith('plain')
        ? [{ wire, certificate: undefined, target: '/open?secret' }]
        : [
            { wire, certificate: may, target: '/secret' },
            { wire, certificate: other, target: '/open?secret' },
          ],
    );
    this.#running = Promise.all(
      tries.map(async ({ wire, certificate, target }) => {
        while (!this.#ended) {
          this.#tried += 1;
          const answer = await send(at, wire, certificate, { target }, PATIENCE_MS);
          if (answer?.status === 200) this.#answered.push(`${wire}: ${target} was answered`);
          await sleep(30);
        }
      }),
    );
  }

  async end(): Promise<{ readonly tried: number; readonly answered: readonly string[] }> {
    this.#ended = true;
    await this.#running;
    return { tried: this.#tried, answered: this.#answered };
  }
}
