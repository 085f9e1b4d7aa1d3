import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { expect, test } from '@jest/globals';
import { GrpcCode } from '../grpc/index.js';
import { DeltaDiscoveryRequestSchema } from '../wire/gen/envoy/service/discovery/v3/ads_pb.js';
import { RejectsSchema } from '../wire/gen/weft/v1/reject_pb.js';
import { readRequest } from './request.js';

function written(request: MessageInitShape<typeof DeltaDiscoveryRequestSchema>): Uint8Array {
  return toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, request));
}

const ROOT = 'ab'.repeat(32);
const EMPTY = {
  node: '',
  roots: [],
  typeUrl: '',
  nonce: '',
  subscribe: [],
  unsubscribe: [],
  initialVersions: new Map(),
};

test('a request is read as the library writes it', () => {
  expect(readRequest(written({}))).toEqual(EMPTY);
  const names = Array.from({ length: 300 }, (_, i) => `ip/10.0.0.${i}:80`);
  const request = {
    node: {
      id: 'uid-1',
      userAgentName: 'weft-proxy/1',
      clientFeatures: ['other', `dev.weft.root.${ROOT}`, 'dev.weft.root.x'],
    },
    typeUrl: 'type.weft.dev/weft.v1.Destination',
    resourceNamesSubscribe: names,
    resourceNamesUnsubscribe: ['', '\u00fc', 'x'.repeat(1_000)],
    initialResourceVersions: { constructor: 'v', '': 'w', a: '' },
    responseNonce: '77',
  };
  expect(readRequest(written(request))).toEqual({
    node: 'uid-1',
    roots: [ROOT],
    typeUrl: request.typeUrl,
    subscribe: names,
    unsubscribe: request.resourceNamesUnsubscribe,
    initialVersions: new Map(Object.entries(request.initialResourceVersions)),
    nonce: '77',
  });
});

test('of the roots that a proxy says it trusts no more are kept than a bundle may have', () => {
  const clientFeatures = Array.from({ length: 200 }, (_, i) => `dev.weft.root.${`${i}`.padStart(64, '0')}`);
  expect(readRequest(written({ node: { id: 'uid-1', clientFeatures } })).roots).toHaveLength(16);
});

test('a rejection is read by name, with a code of ours and words for the log', () => {
  const rejects = [
    { resource: 'a', reason: 'critical feature `x` is unknown' },
    { resource: 'b', reason: 'bad\nregex\u001b[31m' },
  ];
  const value = toBinary(RejectsSchema, create(RejectsSchema, { rejects }));
  const details = [
    { typeUrl: 'type.weft.dev/weft.v1.Rejects', value },
    { typeUrl: 'type.weft.dev/weft.v1.Rejects', value: Uint8Array.of(255) },
    { typeUrl: 'other', value },
  ];
  const { error } = readRequest(written({ errorDetail: { code: 3, message: '', details } }));
  expect(error).toEqual({
    whole: { reason: 'Invalid', words: 'no reason given' },
    byName: new Map([
      ['a', { reason: 'UnknownFeature', words: 'critical feature `x` is unknown' }],
      ['b', { reason: 'Invalid', words: 'bad regex [31m' }],
    ]),
  });
});

test('fields that we do not know are passed by, whatever their type', () => {
  const unknown = Uint8Array.of(0x40, 1, 0x4a, 2, 1, 2, 0x51, 1, 2, 3, 4, 5, 6, 7, 8, 0x08, 1);
  expect(readRequest(new Uint8Array([...unknown, ...written({ responseNonce: '1' })]))).toEqual({
    ...EMPTY,
    nonce: '1',
  });
});

test('a request that is cut anywhere, or garbage, is refused as such and does not harm', () => {
  const whole = written({ node: { id: 'uid-1' }, typeUrl: 'type', errorDetail: { message: 'm' } });
  let refused = 0;
  for (let at = 1; at < whole.length; at++) {
    try {
      readRequest(whole.subarray(0, at));
    } catch (thrown) {
      expect(thrown).toMatchObject({ code: GrpcCode.invalidArgument });
      refused += 1;
    }
  }
  expect(refused).toBeGreaterThan(10);
  for (let seed = 1; seed < 2_000; seed++) {
    const bytes = Uint8Array.from(
      { length: 1 + (seed % 40) },
      (_, i) => (seed * 31 ** (i % 5) + i * 7) & 255,
    );
    try {
      readRequest(bytes);
    } catch (thrown) {
      expect(thrown).toMatchObject({ code: GrpcCode.invalidArgument });
    }
  }
});
