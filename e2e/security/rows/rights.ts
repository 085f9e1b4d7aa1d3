import { createLogger, Metrics } from '../../../src/base/index.js';
import {
  createClusterView,
  Kinds,
  runClusterView,
  unsettledKinds,
  type KindRow,
} from '../../../src/controller/index.js';
import { connectPlain } from '../../../src/kube/index.js';
import { until } from '../../netns/process.js';
import type { Ground } from '../ground.js';
import { together, type Played, type Row } from '../row.js';
import { send, type Wire } from '../wires.js';

const MESH_WIRES = ['weft1-h1', 'weft1-h2', 'weft1-tcp'] as const;
const FORBIDDEN = 403;
/** Kinds that are asked for once those are known that name them. */
const LATER = Object.values<KindRow>(Kinds)
  .filter(({ askedBy }) => askedBy !== undefined)
  .map(({ resource }) => resource.kind);

/** The row about rights of the control plane that somebody takes away. */
export function rightRows(ground: Ground): readonly Row[] {
  return [
    {
      area: 'Control plane as a target',
      name: 'without the right to read a kind, whichever, what was known holds, and a replica that starts tells nobody anything',
      play: async () => {
        const rules = [{ services: ['server'], paths: ['/*'] }];
        const spec = { subjects: [{ serviceAccount: { name: 'web' } }] };
        await ground.rule({ byDefault: 'Deny', bindings: { web: { spec, rules } } });
        const played: Played[] = [];
        const unread: string[] = [];
        for (const row of Object.values<KindRow>(Kinds))
          if (isRead(ground, row)) played.push(await without(ground, row));
          else unread.push(row.resource.kind);
        // To refuse what nobody asks for tries nothing.
        if (unread.length > 0) console.log(`        not read here, and so not tried: ${unread.join(', ')}`);
        return together(played);
      },
    },
  ];
}

function collectionOf({ resource: { apiVersion, plural } }: KindRow): string {
  return `/${apiVersion.includes('/') ? 'apis' : 'api'}/${apiVersion}/${plural}`;
}

/** Some kinds are asked for only where objects name them, and those of others seldom where nobody serves them. */
function isRead({ world: { api } }: Ground, row: KindRow): boolean {
  return row.installedBy !== 'others' && api.requests.some(({ path }) => isOf(row, path));
}

const isOf = ({ resource: { plural } }: KindRow, path: string): boolean => path.endsWith(`/${plural}`);

/** The API server forbids to list and to watch the kind; whoever watches is cut off and asks again. */
async function without(ground: Ground, row: KindRow): Promise<Played> {
  const { api } = ground.world;
  const { kind, plural } = row.resource;
  const before = api.requests.length;
  api.refusing.set(collectionOf(row), FORBIDDEN);
  api.cutWatches();
  const wrong: string[] = [];
  try {
    await until(
      `${plural} are asked for again`,
      async () =>
        api.requests.slice(before).some(({ path }) => isOf(row, path))
          ? undefined
          : Promise.reject(new Error('not yet')),
      20,
    );
    wrong.push(...(await judged(ground)).map((what) => `without ${plural}: ${what}`));
    if (row.askedBy === undefined) {
      const said = await another(api.url);
      if (said.length === 0 || !said.every((what) => what.startsWith(`${kind} (`)))
        wrong.push(`a replica that starts without ${plural} says that it waits for ${JSON.stringify(said)}`);
    }
  } finally {
    api.refusing.delete(collectionOf(row));
  }
  return { attempts: MESH_WIRES.length + 1, twins: MESH_WIRES.length, wrong };
}

/** Who may goes on, and nobody else does. */
async function judged(ground: Ground): Promise<readonly string[]> {
  const wrong: string[] = [];
  const expect = async (wire: Wire, account: string | undefined, status: number): Promise<void> => {
    const certificate = account === undefined ? undefined : await ground.certificate(account);
    const target = status === FORBIDDEN ? '/secret' : '/right';
    const answer = await send(ground.at('http'), wire, certificate, { target });
    if (answer?.status !== status) wrong.push(`${wire}: ${account ?? 'nobody'} got ${answer?.status}`);
  };
  await expect('plain', undefined, FORBIDDEN);
  for (const wire of MESH_WIRES) {
    await expect(wire, 'web', 200);
    await expect(wire, 'other', FORBIDDEN);
  }
  const arrived = (await ground.arrived()).filter(({ bytes }) => bytes.includes('/secret'));
  return [...wrong, ...arrived.map(() => 'what is refused arrived')];
}

/** What a replica that starts now waits for, before it serves anybody, when it knows all that it may read. */
async function another(url: string): Promise<readonly string[]> {
  const ending = new AbortController();
  const log = createLogger({ level: 'silent' });
  const client = connectPlain(url);
  const options = {
    client,
    systemNamespace: 'weft-system',
    revision: 'default',
    log,
    metrics: new Metrics(),
  };
  const view = createClusterView(options);
  const restart = (reason: string): void => {
    throw new Error(reason);
  };
  const running = runClusterView(view, { client, log, restart }, ending.signal);
  try {
    return await until(
      'all other kinds are known',
      async () => {
        // With a reason it was refused; without one it has not been answered yet, or asked for.
        const waits = unsettledKinds(view).filter((what) => !LATER.includes(what));
        if (waits.some((what) => !what.includes('('))) throw new Error(waits.join());
        return Promise.resolve(waits);
      },
      20,
    );
  } finally {
    ending.abort();
    client.close();
    await running;
  }
}
