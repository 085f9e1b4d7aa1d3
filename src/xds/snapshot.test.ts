import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { aMesh, aService, aSplitPolicy, aWorkload, anEndpointSet } from '../testing/mesh-fixture.js';
import { DeltaDiscoveryResponseSchema } from '../wire/gen/envoy/service/discovery/v3/ads_pb.js';
import { DestinationSchema, type Destination } from '../wire/gen/weft/v1/destination_pb.js';
import { DESTINATION_TYPE_URL, WORKLOAD_TYPE_URL } from './resources/index.js';
import type { DirtyKey } from '../model/index.js';
import { Acks } from './acks.js';
import { Snapshot, type Built, type Consumer } from './snapshot.js';
import type { Subscription } from './subscription.js';
import { Views } from './views.js';
import { encodeResourceHead, encodeResponse } from './wire-response.js';

const REVIEWS = 'ip/10.96.0.5:8080';
const WEB: Consumer = { uid: 'web-1', namespace: 'shop' };
const QA: Consumer = { uid: 'qa-1', namespace: 'qa' };

function never(_id: string, thrown: unknown): void {
  throw thrown;
}

function found(snapshot: Snapshot, typeUrl: string, name: string, consumer: Consumer): Built | undefined {
  return snapshot.find(typeUrl, name, consumer).entry?.built;
}

function resource(name: string, { body }: Built): { head: Uint8Array; body: Uint8Array } {
  return { head: encodeResourceHead(name, body.length), body };
}

function decoded(built: Built | undefined): Destination {
  const bytes = encodeResponse({
    typeUrl: built!.typeUrl,
    nonce: '1',
    resources: [resource('n', built!)],
    removed: [],
  });
  const response = fromBinary(DeltaDiscoveryResponseSchema, Buffer.concat(bytes));
  return fromBinary(DestinationSchema, response.resources[0]!.resource!.value);
}

describe('a response put together by hand', () => {
  test('has the very meaning that the library reads and writes', () => {
    const built = found(new Snapshot(aMesh(), never), DESTINATION_TYPE_URL, REVIEWS, WEB)!;
    const parts = encodeResponse({
      typeUrl: DESTINATION_TYPE_URL,
      nonce: '7',
      resources: [
        resource(REVIEWS, built),
        resource('endpoint/10.244.0.1:9080', built),
        resource('x'.repeat(300), built),
      ],
      removed: ['ip/[fd00::1]:80', '', 'y'.repeat(300), '\u00fc'],
    });
    const read = fromBinary(DeltaDiscoveryResponseSchema, Buffer.concat(parts));
    const any = { typeUrl: DESTINATION_TYPE_URL, value: read.resources[0]!.resource!.value };
    const expected = create(DeltaDiscoveryResponseSchema, {
      typeUrl: DESTINATION_TYPE_URL,
      nonce: '7',
      resources: [
        { name: REVIEWS, version: built.version, resource: any },
        { name: 'endpoint/10.244.0.1:9080', version: built.version, resource: any },
        { name: 'x'.repeat(300), version: built.version, resource: any },
      ],
      removedResources: ['ip/[fd00::1]:80', '', 'y'.repeat(300), '\u00fc'],
    });
    expect(toBinary(DeltaDiscoveryResponseSchema, read)).toEqual(
      toBinary(DeltaDiscoveryResponseSchema, expected),
    );
  });
});

describe('a snapshot', () => {
  test('makes one resource for all names and namespaces that see the same', () => {
    const snapshot = new Snapshot(aMesh(), never);
    const built = found(snapshot, DESTINATION_TYPE_URL, REVIEWS, WEB);
    expect(found(snapshot, DESTINATION_TYPE_URL, REVIEWS.replace('ip/', 'endpoint/'), WEB)).toBe(built);
    expect(found(snapshot, DESTINATION_TYPE_URL, REVIEWS, QA)).toBe(built);
    expect(snapshot.size).toBe(1);
  });

  test('makes another for a namespace with a policy of its own', () => {
    const mesh = aMesh();
    mesh.policies.set(aSplitPolicy('reviews', { v2: 1 }, { namespace: 'qa' }));
    const snapshot = new Snapshot(mesh, never);
    expect(found(snapshot, DESTINATION_TYPE_URL, REVIEWS, WEB)!.key).toBe(
      'default/default/shop/reviews:8080/-',
    );
    expect(found(snapshot, DESTINATION_TYPE_URL, REVIEWS, QA)!.key).toBe(
      'default/default/shop/reviews:8080/qa',
    );
  });

  test('keeps what does not depend on a change, and makes what does again', () => {
    const mesh = aMesh();
    mesh.services.set(aService({ name: 'ratings', clusterIPs: ['10.96.0.6'] }));
    const snapshot = new Snapshot(mesh, never);
    const find = (ip: string) => found(snapshot, DESTINATION_TYPE_URL, `ip/${ip}:8080`, WEB)!;
    const [reviews, ratings] = [find('10.96.0.5'), find('10.96.0.6')];
    snapshot.invalidate(mesh.endpointSets.set(anEndpointSet('reviews', { 'reviews-v1': '10.244.0.11' })));
    expect(find('10.96.0.6')).toBe(ratings);
    expect(find('10.96.0.5').version).not.toBe(reviews.version);
    expect([reviews, find('10.96.0.5')].map((built) => decoded(built).endpoints.length)).toEqual([2, 1]);
    const { version } = find('10.96.0.5');
    snapshot.invalidate(mesh.setSettings({ ...mesh.settings, trustDomain: 'elsewhere' }));
    expect(find('10.96.0.5').version).not.toBe(version);
  });

  test('that is made again with the same content is the same as before', () => {
    const mesh = aMesh();
    const snapshot = new Snapshot(mesh, never);
    const before = found(snapshot, DESTINATION_TYPE_URL, REVIEWS, WEB)!;
    snapshot.invalidate(['service/shop/reviews']);
    expect(found(snapshot, DESTINATION_TYPE_URL, REVIEWS, WEB)).toBe(before);
    const elsewhere = found(new Snapshot(aMesh(), never), DESTINATION_TYPE_URL, REVIEWS, QA)!;
    expect(elsewhere.version).toBe(before.version);
  });

  test('shows a pod its own workload and no other', () => {
    const snapshot = new Snapshot(aMesh(), never);
    expect(found(snapshot, WORKLOAD_TYPE_URL, 'web-1', WEB)?.key).toBe('web-1');
    expect(found(snapshot, WORKLOAD_TYPE_URL, 'reviews-v1', WEB)).toBeUndefined();
    expect(found(snapshot, WORKLOAD_TYPE_URL, 'web-1', QA)).toBeUndefined();
  });

  test.each([
    '',
    '*',
    'ip/',
    'ip/10.96.0.5',
    'ip/10.96.0.5:99999',
    'endpoint/:80',
    'ip/[::]:0',
    '__proto__',
    'endpoint/a.b.c.d:1',
    '\u0000',
  ])('knows nothing by the name %j', (name) =>
    expect(found(new Snapshot(aMesh(), never), DESTINATION_TYPE_URL, name, WEB)).toBeUndefined(),
  );
});

describe('views', () => {
  function aProxy(consumer: Consumer) {
    const heard: string[] = [];
    const changed = ({ view }: Subscription): void => void heard.push(view.name);
    return { consumer, pod: `${consumer.namespace}/${consumer.uid}`, heard, changed, push: () => undefined };
  }

  function viewsOf(snapshot: Snapshot): { views: Views; acks: Acks } {
    const acks = new Acks({ touch: () => undefined });
    return { views: new Views(snapshot, acks), acks };
  }

  test('tell those whom a change concerns, and nothing is kept that nobody wants', () => {
    const mesh = aMesh();
    const snapshot = new Snapshot(mesh, never);
    const { views, acks } = viewsOf(snapshot);
    const [web, qa] = [aProxy(WEB), aProxy(QA)];
    views.subscribe(web, DESTINATION_TYPE_URL, REVIEWS);
    const subscription = views.subscribe(qa, DESTINATION_TYPE_URL, REVIEWS, 'older');
    views.subscribe(web, DESTINATION_TYPE_URL, 'ip/10.96.0.7:80');
    const overlay = aSplitPolicy('reviews', { v2: 1 }, { namespace: 'qa' });
    const { behind } = views.refresh(mesh.policies.set(overlay));
    expect([...behind]).toEqual([qa]);
    expect(subscription.view.built?.key).toBe('default/default/shop/reviews:8080/qa');
    expect(qa.heard).toEqual([REVIEWS]);
    expect(acks.summary(overlay.ref.uid)).toMatchObject({ subscribers: 1 });
    views.unsubscribe(subscription);
    expect(acks.summary(overlay.ref.uid)).toBeUndefined();
    expect([views.size, snapshot.size]).toEqual([2, 1]);
  });

  test('look only at what a change may concern', () => {
    const mesh = aMesh();
    mesh.services.set(aService({ name: 'ratings', clusterIPs: ['10.96.0.6'] }));
    const { views } = viewsOf(new Snapshot(mesh, never));
    const web = aProxy(WEB);
    for (const ip of ['10.96.0.5', '10.96.0.6', '10.96.0.7', '10.244.0.11'])
      views.subscribe(web, DESTINATION_TYPE_URL, `ip/${ip}:8080`);
    views.subscribe(web, WORKLOAD_TYPE_URL, 'web-1');
    const touched = (dirty: ReadonlySet<DirtyKey>): number => views.refresh(dirty).touched;
    const elsewhere = aWorkload({ uid: 'far', ips: ['10.244.9.9'], serviceAccount: 'far' });
    expect(touched(mesh.workloads.set(elsewhere))).toBe(0);
    // An endpoint less: its Service, and the pod that was listed.
    expect(touched(mesh.endpointSets.set(anEndpointSet('reviews', { 'reviews-v1': '10.244.0.11' })))).toBe(1);
    expect(touched(mesh.services.set(aService({ name: 'new', clusterIPs: ['10.96.0.7'] })))).toBe(1);
    expect(touched(new Set(['mesh']))).toBe(5);
  });

  test('notice that a name means something else, though what it meant has not changed', () => {
    const mesh = aMesh();
    const { views } = viewsOf(new Snapshot(mesh, never));
    const web = aProxy(WEB);
    const { view } = views.subscribe(web, DESTINATION_TYPE_URL, 'ip/127.0.0.1:80');
    expect(view.built?.key).toContain('web-1');
    const service = aService({
      name: 'taken',
      clusterIPs: ['127.0.0.1'],
      ports: [{ name: '', port: 80, targetPort: 80, protocol: 'TCP' }],
    });
    views.refresh(mesh.services.set(service));
    expect(web.heard).toEqual(['ip/127.0.0.1:80']);
    expect(view.built?.key).toContain('shop/taken:80');
    views.refresh(mesh.services.set({ ...service, ports: [] }));
    expect(view.built?.key).toContain('web-1');
  });

  test('tell nobody of a change that comes to the same bytes', () => {
    const mesh = aMesh();
    mesh.policies.set(aSplitPolicy('reviews', { v1: 1 }));
    const { views, acks } = viewsOf(new Snapshot(mesh, never));
    const web = aProxy(WEB);
    const first = views.subscribe(web, DESTINATION_TYPE_URL, REVIEWS);
    first.acknowledge(first.send(first.view.built!.version));
    acks.count(first);
    const { behind } = views.refresh(
      mesh.policies.set(aSplitPolicy('reviews', { v1: 1 }, { generation: 2 })),
    );
    expect([behind.size, web.heard]).toEqual([0, []]);
    // Who has the bytes has the new generation.
    expect(acks.summary('policy-shop-reviews')).toMatchObject({ policy: { generation: 2 }, acknowledged: 1 });
  });

  test('count who has what a view says again after a change that was taken back before it was sent', () => {
    const mesh = aMesh();
    const { views, acks } = viewsOf(new Snapshot(mesh, never));
    const set = (weights: Record<string, number>, generation: number): unknown =>
      views.refresh(mesh.policies.set(aSplitPolicy('reviews', weights, { generation })));
    set({ v1: 1 }, 1);
    const subscription = views.subscribe(aProxy(WEB), DESTINATION_TYPE_URL, REVIEWS);
    subscription.acknowledge(subscription.send(subscription.view.built!.version));
    acks.count(subscription);
    set({ v1: 1, v2: 1 }, 2);
    expect(acks.summary('policy-shop-reviews')).toMatchObject({ subscribers: 1, acknowledged: 0 });
    set({ v1: 1 }, 3);
    expect(acks.summary('policy-shop-reviews')).toMatchObject({ policy: { generation: 3 }, acknowledged: 1 });
  });

  test('keep what they have when the next cannot be made, say so once, and go on with the others', () => {
    const mesh = aMesh();
    mesh.services.set(aService({ name: 'ratings', clusterIPs: ['10.96.0.6'] }));
    const failed: string[] = [];
    const { views } = viewsOf(new Snapshot(mesh, (id) => failed.push(id)));
    const web = aProxy(WEB);
    const reviews = views.subscribe(web, DESTINATION_TYPE_URL, REVIEWS).view;
    const ratings = views.subscribe(web, DESTINATION_TYPE_URL, 'ip/10.96.0.6:8080').view;
    const [before, other] = [reviews.built, ratings.built];
    const endpointSetsOf = mesh.endpointSetsOf.bind(mesh);
    mesh.endpointSetsOf = (service) => {
      if (service === 'shop/reviews') throw new TypeError('a fault of ours');
      return endpointSetsOf(service);
    };
    const dirty = mesh.policies.set(aSplitPolicy('reviews', { v1: 1 }));
    views.refresh(new Set([...dirty, ...mesh.policies.set(aSplitPolicy('ratings', { v1: 1 }))]));
    views.refresh(mesh.policies.set(aSplitPolicy('reviews', { v1: 2 }, { generation: 2 })));
    expect(failed).toEqual(['destination/default/default/shop/reviews:8080/-']);
    expect(reviews).toMatchObject({ built: before, unmade: true });
    expect(ratings.built).not.toBe(other);
    // Who comes now gets the last good one, and who asks for what never was good is told nothing.
    expect(views.subscribe(aProxy(QA), DESTINATION_TYPE_URL, REVIEWS).view.built).toBe(before);
    mesh.endpointSetsOf = endpointSetsOf;
    views.refresh(mesh.policies.set(aSplitPolicy('reviews', { v1: 3 }, { generation: 3 })));
    expect(reviews.unmade).toBe(false);
    expect(reviews.built).not.toBe(before);
  });
});
