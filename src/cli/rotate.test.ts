import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { RotationStatus } from '../controller/index.js';
import { untilPasses } from '../testing/index.js';
import { ClusterFixture } from './cluster.fixture.js';
import { rotateIdentity, rotationLine, type RotateOptions } from './rotate.js';

const MAPS = '/api/v1/configmaps';
const AT = { namespace: 'weft-system', name: 'weft-rotation' };

let cluster: ClusterFixture;
let said: string[];

beforeEach(async () => {
  cluster = await ClusterFixture.start();
  said = [];
});

afterEach(() => cluster.stop());

const rotating = (options: Partial<RotateOptions> = {}): Promise<RotationStatus> =>
  rotateIdentity({
    client: cluster.client,
    systemNamespace: 'weft-system',
    of: 'root',
    takeOver: false,
    statusOnly: false,
    timeoutMs: 15_000,
    say: (status) => said.push(rotationLine(status)),
    everyMs: 5,
    ...options,
  });

function asked(): { id: string; of: string; takeOver: boolean } | undefined {
  const data = cluster.server.get(MAPS, AT)?.data as Record<string, string> | undefined;
  return data?.['request.json'] === undefined ? undefined : (JSON.parse(data['request.json']) as never);
}

/** What the leader would say, once something is asked for. */
async function answer(states: readonly Partial<RotationStatus>[]): Promise<void> {
  while (asked() === undefined) await new Promise((resolve) => setTimeout(resolve, 2));
  for (const stands of states) {
    const share = { count: 0, of: 2 };
    const status = {
      ...asked()!,
      state: 'Trusting',
      message: 'waits',
      from: { issuer: null, signer: null, root: null },
      trusting: share,
      certified: share,
      replicas: { count: 2, of: 2 },
      behind: [],
      states: [],
      ...stands,
    };
    const data = cluster.server.get(MAPS, AT)?.data as object;
    cluster.server.put(MAPS, { metadata: AT, data: { ...data, 'status.json': JSON.stringify(status) } });
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}

test('it asks once, tells what changes, and ends with it', async () => {
  const behind = [{ pod: 'shop/web', lacks: 'root' as const }];
  const [status] = await Promise.all([
    rotating(),
    answer([
      { trusting: { count: 1, of: 2 }, behind },
      { state: 'Reissuing', certified: { count: 1, of: 2 } },
      { state: 'Done', certified: { count: 2, of: 2 } },
    ]),
  ]);
  expect(status.state).toBe('Done');
  expect(asked()).toMatchObject({ of: 'root', takeOver: false });
  expect(said).toEqual([
    'Trusting    1 of 2 proxies trust the new root; 2 of 2 replicas are up to date; behind: shop/web; waits',
    'Reissuing   1 of 2 proxies have a certificate of the new issuer; 2 of 2 replicas are up to date; waits',
    'Done        the root is another: 2 of 2 proxies have a certificate under it',
  ]);
});

test('who interrupts it and comes back follows the same one, and another kind has to wait for its end', async () => {
  const first = rotating({ timeoutMs: 1_500 });
  await answer([{}]);
  await expect(first).rejects.toThrow(/not ended within --timeout, and goes on: waits/);
  const { id } = asked()!;
  await expect(rotating({ of: 'issuer' })).rejects.toThrow(/a rotation of the root is under way/);
  const shown = said.length;
  const second = rotating();
  await untilPasses(() => expect(said.length).toBe(shown + 1));
  await answer([{ state: 'Done' }]);
  const again = await second;
  expect([again.id, asked()?.id]).toEqual([id, id]);
  // It is over: to look at it begins no other, to ask again does.
  expect((await rotating({ statusOnly: true })).id).toBe(id);
  await expect(rotating({ of: 'issuer', patienceMs: 50 })).rejects.toThrow(
    /no replica of the control plane has taken it up/,
  );
  expect(asked()?.id).not.toBe(id);
});

test('where nothing was asked for there is nothing to show, and a refusal is an end', async () => {
  await expect(rotating({ statusOnly: true })).rejects.toThrow(/nobody has asked for a rotation/);
  const [status] = await Promise.all([rotating(), answer([{ state: 'Refused', message: 'not ours' }])]);
  expect(status).toMatchObject({ state: 'Refused', message: 'not ours' });
  expect(said).toEqual(['Refused     not ours']);
});
