import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { aMesh, aService, aSplitPolicy, anEndpointSet } from '../testing/mesh-fixture.js';
import { DeltaDiscoveryResponseSchema } from '../wire/gen/envoy/service/discovery/v3/ads_pb.js';
import { DestinationSchema, type Destination } from '../wire/gen/weft/v1/destination_pb.js';
import { DESTINATION_TYPE_URL, WORKLOAD_TYPE_URL } from './resources/index.js';
import { Snapshot, type Built, type Consumer } from './snapshot.js';
import { Views } from './views.js';
import { encodeResponse } from './wire-response.js';

const REVIEWS = 'ip/10.96.0.5:8080';
const WEB: Consumer = { uid: 'web-1', namespace: 'shop' };
const QA: Consumer = { uid: 'qa-1', namespace: 'qa' };

function decoded(built: Built | undefined): Destination {
  const bytes = encodeResponse({
    typeUrl: built!.typeUrl,
    nonce: '1',
    resources: [{ name: 'n', body: built!.body }],
    removed: [],
  });
  const response = fromBinary(DeltaDiscoveryResponseSchema, Buffer.concat(bytes));
  return fromBinary(DestinationSchema, response.resources[0]!.resource!.value);
}

describe('a response put together by hand', () => {
  test('has the very meaning that the library reads and writes', () => {
    const built = new Snapshot(aMesh()).find(DESTINATION_TYPE_URL, REVIEWS, WEB)!;
    const parts = encodeResponse({
      typeUrl: DESTINATION_TYPE_URL,
      nonce: '7',
      resources: [
        { name: REVIEWS, body: built.body },
        { name: 'endpoint/10.244.0.1:9080', body: built.body },
      ],
      removed: ['ip/[fd00::1]:80', ''],
    });
    const read = fromBinary(DeltaDiscoveryResponseSchema, Buffer.concat(parts));
    const any = { typeUrl: DESTINATION_TYPE_URL, value: read.resources[0]!.resource!.value };
    const expected = create(DeltaDiscoveryResponseSchema, {
      typeUrl: DESTINATION_TYPE_URL,
      nonce: '7',
      resources: [
        { name: REVIEWS, version: built.version, resource: any },
        { name: 'endpoint/10.244.0.1:9080', version: built.version, resource: any },
      ],
      removedResources: ['ip/[fd00::1]:80', ''],
    });
    expect(toBinary(DeltaDiscoveryResponseSchema, read)).toEqual(
      toBinary(DeltaDiscoveryResponseSchema, expected),
    );
  });
});

describe('a snapshot', () => {
  test('makes one resource for all names and namespaces that see the same', () => {
    const snapshot = new Snapshot(aMesh());
    const built = snapshot.find(DESTINATION_TYPE_URL, REVIEWS, WEB);
    expect(snapshot.find(DESTINATION_TYPE_URL, REVIEWS.replace('ip/', 'endpoint/'), WEB)).toBe(built);
    expect(snapshot.find(DESTINATION_TYPE_URL, REVIEWS, QA)).toBe(built);
    expect(snapshot.size).toBe(1);
  });

  test('makes another for a namespace with a policy of its own', () => {
    const mesh = aMesh();
    mesh.setPolicy(aSplitPolicy('reviews', { v2: 1 }, { namespace: 'qa' }));
    const snapshot = new Snapshot(mesh);
    expect(snapshot.find(DESTINATION_TYPE_URL, REVIEWS, WEB)!.key).toBe(
      'default/default/shop/reviews:8080/-',
    );
    expect(snapshot.find(DESTINATION_TYPE_URL, REVIEWS, QA)!.key).toBe(
      'default/default/shop/reviews:8080/qa',
    );
  });

  test('keeps what does not depend on a change, and makes anew what does', () => {
    const mesh = aMesh();
    mesh.setService(aService({ name: 'ratings', clusterIPs: ['10.96.0.6'] }));
    const snapshot = new Snapshot(mesh);
    const find = (ip: string) => snapshot.find(DESTINATION_TYPE_URL, `ip/${ip}:8080`, WEB)!;
    const [reviews, ratings] = [find('10.96.0.5'), find('10.96.0.6')];
    snapshot.invalidate(mesh.setEndpoints(anEndpointSet('reviews', { 'reviews-v1': '10.244.0.11' })));
    expect(find('10.96.0.6')).toBe(ratings);
    expect(find('10.96.0.5').version).not.toBe(reviews.version);
    expect([reviews, find('10.96.0.5')].map((built) => decoded(built).endpoints.length)).toEqual([2, 1]);
    snapshot.invalidate(mesh.setSettings({ ...mesh.settings, trustDomain: 'elsewhere' }));
    expect(find('10.96.0.6')).not.toBe(ratings);
  });

  test('gives equal content an equal version, also after it was made anew', () => {
    const mesh = aMesh();
    const snapshot = new Snapshot(mesh);
    const before = snapshot.find(DESTINATION_TYPE_URL, REVIEWS, WEB)!;
    snapshot.invalidate(mesh.setService(mesh.services.get('shop/reviews')!));
    const after = snapshot.find(DESTINATION_TYPE_URL, REVIEWS, WEB)!;
    expect(after).not.toBe(before);
    expect(after.version).toBe(before.version);
    expect(new Snapshot(aMesh()).find(DESTINATION_TYPE_URL, REVIEWS, QA)!.version).toBe(before.version);
  });

  test('shows a pod its own workload and no other', () => {
    const snapshot = new Snapshot(aMesh());
    expect(snapshot.find(WORKLOAD_TYPE_URL, 'web-1', WEB)?.key).toBe('web-1');
    expect(snapshot.find(WORKLOAD_TYPE_URL, 'reviews-v1', WEB)).toBeUndefined();
    expect(snapshot.find(WORKLOAD_TYPE_URL, 'web-1', QA)).toBeUndefined();
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
    expect(new Snapshot(aMesh()).find(DESTINATION_TYPE_URL, name, WEB)).toBeUndefined(),
  );
});

describe('views', () => {
  const never = (_name: string, thrown: unknown): void => {
    throw thrown;
  };

  function subscriber(consumer: Consumer) {
    const heard: string[] = [];
    return { consumer, heard, changed: (_typeUrl: string, name: string) => void heard.push(name) };
  }

  test('tell those whom a change concerns, and forget what nobody wants', () => {
    const mesh = aMesh();
    const snapshot = new Snapshot(mesh);
    const views = new Views(snapshot, never);
    const [web, qa] = [subscriber(WEB), subscriber(QA)];
    for (const one of [web, qa]) views.subscribe(one, DESTINATION_TYPE_URL, REVIEWS);
    views.subscribe(web, DESTINATION_TYPE_URL, 'ip/10.96.0.7:80');
    const overlay = aSplitPolicy('reviews', { v2: 1 }, { namespace: 'qa' });
    const changed = views.refresh(mesh.setPolicy(overlay));
    expect(changed.map(({ view }) => view.built?.key)).toContain('default/default/shop/reviews:8080/qa');
    expect(qa.heard).toEqual([REVIEWS]);
    expect([...views.withPolicy(overlay.ref.uid)].map(({ consumer }) => consumer)).toEqual([QA]);
    views.unsubscribe(qa, DESTINATION_TYPE_URL, REVIEWS);
    expect(views.withPolicy(overlay.ref.uid).size).toBe(0);
    views.refresh([]);
    expect([views.size, snapshot.size]).toEqual([2, 1]);
  });

  test('notice that a name means something else, though what it meant has not changed', () => {
    const mesh = aMesh();
    const views = new Views(new Snapshot(mesh), never);
    const web = subscriber(WEB);
    const view = views.subscribe(web, DESTINATION_TYPE_URL, 'ip/127.0.0.1:80');
    expect(view.built?.key).toContain('web-1');
    const service = aService({
      name: 'taken',
      clusterIPs: ['127.0.0.1'],
      ports: [{ name: '', port: 80, targetPort: 80, protocol: 'TCP' }],
    });
    views.refresh(mesh.setService(service));
    expect(web.heard).toEqual(['ip/127.0.0.1:80']);
    expect(view.built?.key).toContain('shop/taken:80');
  });

  test('keep what they have when the next cannot be made, and go on with the others', () => {
    const mesh = aMesh();
    mesh.setService(aService({ name: 'ratings', clusterIPs: ['10.96.0.6'] }));
    const failed: string[] = [];
    const views = new Views(new Snapshot(mesh), (name) => failed.push(name));
    const web = subscriber(WEB);
    const reviews = views.subscribe(web, DESTINATION_TYPE_URL, REVIEWS);
    const ratings = views.subscribe(web, DESTINATION_TYPE_URL, 'ip/10.96.0.6:8080');
    const [before, other] = [reviews.built, ratings.built];
    const endpointSetsOf = mesh.endpointSetsOf.bind(mesh);
    mesh.endpointSetsOf = (service) => {
      if (service === 'shop/reviews') throw new TypeError('a fault of ours');
      return endpointSetsOf(service);
    };
    const dirty = mesh.setPolicy(aSplitPolicy('reviews', { v1: 1 }));
    views.refresh([...dirty, ...mesh.setPolicy(aSplitPolicy('ratings', { v1: 1 }))]);
    expect(failed).toEqual([REVIEWS]);
    expect(reviews.built).toBe(before);
    expect(ratings.built).not.toBe(other);
  });
});
