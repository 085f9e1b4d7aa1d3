import { afterEach, expect, test } from '@jest/globals';
import {
  REVIEWS,
  WORKLOAD,
  ack,
  connect,
  endAll,
  nack,
  next,
  startConfig,
  subscribed,
} from '../testing/config-server.js';
import { eventually } from '../testing/eventually.js';
import { aSplitPolicy } from '../testing/mesh-fixture.js';
import { totalAcks } from './ack-summary.js';
import { OwnAcks } from './acks.js';

// What a replica reports, by real config servers and streams over mutual TLS.

afterEach(endAll);

const uid = 'policy-shop-reviews';

test('of a policy whose only caller went away do not keep the next generation pending', async () => {
  const running = await startConfig();
  const own = new OwnAcks();
  own.follow(running.service);
  running.mesh.policies.set(aSplitPolicy('reviews', { v1: 9, v2: 1 }));
  const stream = await subscribed(running, [REVIEWS]);
  ack(stream, await next(stream));
  await eventually('heard', () => own.entries.get(uid)?.acknowledged === 1);
  stream.end();
  await eventually('withdrawn', () => !own.entries.has(uid));
  running.service.changed(
    running.mesh.policies.set(aSplitPolicy('reviews', { v1: 8, v2: 2 }, { generation: 2 })),
  );
  await eventually('still nobody', () => own.of(uid) === undefined && !own.entries.has(uid));
});

test('follow a caller from one replica to the other', async () => {
  const [a, b] = [await startConfig(), await startConfig()];
  const replicas = [a, b].map((running) => {
    const own = new OwnAcks();
    own.follow(running.service);
    return own;
  });
  const total = (generation: number) =>
    totalAcks(
      replicas.flatMap((own) => own.entries.get(uid) ?? []),
      generation,
    );
  for (const { mesh } of [a, b]) mesh.policies.set(aSplitPolicy('reviews', { v1: 9, v2: 1 }));
  const first = await subscribed(a, [REVIEWS]);
  ack(first, await next(first));
  await eventually('known at a', () => total(1).acknowledged === 1);
  first.end();
  const second = await subscribed(b, [REVIEWS]);
  ack(second, await next(second));
  await eventually('known at b alone', () => replicas[1]!.entries.has(uid) && !replicas[0]!.entries.has(uid));
  for (const { mesh, service } of [a, b])
    service.changed(mesh.policies.set(aSplitPolicy('reviews', { v1: 8, v2: 2 }, { generation: 2 })));
  ack(second, await next(second));
  await eventually('programmed', () => {
    const { subscribers, acknowledged } = total(2);
    return subscribers === 1 && acknowledged === 1;
  });
});

test('a workload that is rejected is seen although no policy is in it', async () => {
  const running = await startConfig();
  const own = new OwnAcks();
  own.follow(running.service);
  const stream = await connect(running);
  stream.send({ node: { id: 'web-1' }, typeUrl: WORKLOAD, resourceNamesSubscribe: ['web-1'] });
  nack(stream, await next(stream), { 'web-1': 'critical feature `x` is unknown to weft-proxy 0.0.1' });
  await eventually('heard', () => own.rejections.length > 0);
  expect(own.rejections).toEqual([
    { pod: 'shop/web-1', uid: 'web-1', resource: 'Workload', reason: 'UnknownFeature' },
  ]);
  expect(await running.metrics.text()).toMatch(/weft_xds_nacks_total{type="workload"} 1\n/);
});
