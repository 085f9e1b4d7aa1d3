import { create, toBinary } from '@bufbuild/protobuf';
import { expect, test } from '@jest/globals';
import { Direction, ReportRequestSchema, Tls } from '../wire/gen/weft/telemetry/v1/telemetry_pb.js';
import { believedEdge } from './believed.js';
import { readReport, type RawEdge } from './read-report.js';

const EDGE = {
  direction: Direction.OUTBOUND,
  destination: 'shop/reviews:9080',
  backend: 'shop/reviews-v2:9080{version=v2}',
  route: 'HTTPRoute/shop/canary#0',
  peer: 'spiffe://cluster.local/ns/shop/sa/reviews',
  tls: Tls.MUTUAL,
  rule: 'shop/readers',
};

test('the reading by hand is that of the library', () => {
  const message = create(ReportRequestSchema, {
    podUid: 'uid-1',
    edges: [EDGE, {}],
    counts: [{ edge: 1, grown: [0n, 300n, 2n, 2n ** 40n, 30n, 1n], open: 7 }, {}],
    coversMs: 10_000,
  });
  const nothing = { direction: 0, destination: '', backend: '', route: '', peer: '', tls: 0, rule: '' };
  expect(readReport(toBinary(ReportRequestSchema, message))).toEqual({
    podUid: 'uid-1',
    edges: [EDGE, nothing],
    counts: [
      { edge: 1, grown: [0, 300, 2, 2 ** 40, 30, 1], open: 7 },
      { edge: 0, grown: [], open: 0 },
    ],
    coversMs: 10_000,
  });
});

test.each([
  ['a length beyond the end', [0x12, 0x7f, 0x00]],
  ['a number that breaks off', [0x1a, 0x03, 0x12, 0x01, 0x80]],
  ['a number of more than 64 bits', [0x1a, 0x0d, 0x12, 0x0b, ...new Array<number>(11).fill(0xff)]],
  ['no message', [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
])('%s is refused', (_, bytes) => {
  expect(() => readReport(Uint8Array.from(bytes))).toThrow('not a ReportRequest');
});

const REPORTER = {
  namespace: 'shop',
  kind: 'Deployment',
  name: 'web',
  identity: 'spiffe://cluster.local/ns/shop/sa/web',
};

test('names of an edge are read where they have the form of names', () => {
  expect(believedEdge(REPORTER, EDGE)).toEqual({
    reporter: REPORTER,
    direction: 'outbound',
    service: 'shop/reviews',
    port: '9080',
    backend: 'shop/reviews-v2:9080{version=v2}',
    route: 'HTTPRoute/shop/canary#0',
    peer: 'spiffe://cluster.local/ns/shop/sa/reviews',
    tls: 'mutual',
    rule: 'shop/readers',
  });
  for (const destination of [
    '10.1.2.3:443',
    'example.com',
    'others',
    'a/b/c',
    '\u001b[2J/x',
    `shop/${'x'.repeat(300)}`,
  ])
    expect(believedEdge(REPORTER, { ...EDGE, destination })).toMatchObject({ service: '', port: '' });
});

test.each<[string, Partial<RawEdge>]>([
  ['a peer that is no identity', { peer: 'reviews' }],
  ['a peer that is long', { peer: `spiffe://cluster.local/ns/shop/sa/${'x'.repeat(1_000)}` }],
  ['a route that moves the cursor', { route: '\u001b[2J' }],
  ['a rule of two lines', { rule: 'a\nb' }],
  ['a rule that is long', { rule: 'x'.repeat(1_000) }],
  ['a direction that there is not', { direction: 7 }],
  ['TLS that there is not', { tls: 9 }],
])('%s makes no edge', (_, wrong) => {
  expect(believedEdge(REPORTER, { ...EDGE, ...wrong })).toBeUndefined();
});
