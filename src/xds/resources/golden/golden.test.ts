import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { ACCESS_BUDGET } from '../../../model/words/access-budget.js';
import { BUDGET } from '../../../model/words/budget.js';
import { FEATURES } from '../../../model/compile/features.js';
import { DestinationSchema } from '../../../wire/gen/weft/v1/destination_pb.js';
import { renderGolden } from './render.js';

const FOLDER = 'src/wire/golden';
const rendered = [...renderGolden(FOLDER)];

test.each(rendered)('the committed %s is what its case makes; run make generate', (name, bytes) => {
  expect(readFileSync(join(FOLDER, name)).equals(Buffer.from(bytes))).toBe(true);
});

test('a destination survives the way through its bytes', () => {
  const bytes = readFileSync(join(FOLDER, 'canary.pb'));
  const message = fromBinary(DestinationSchema, bytes);
  expect(message.identities).toEqual([
    'spiffe://cluster.local/ns/shop/sa/reviews-v1',
    'spiffe://cluster.local/ns/shop/sa/reviews-v2',
  ]);
  expect(message.endpoints.map(({ identity, network }) => [identity, network])).toEqual([
    [1, 0],
    [2, 0],
    [2, 1],
  ]);
  expect(Buffer.from(toBinary(DestinationSchema, message)).equals(bytes)).toBe(true);
});

test('the tables of critical features and of the budget are those the proxy reads', () => {
  expect(JSON.parse(readFileSync('src/wire/features.json', 'utf8'))).toEqual(FEATURES);
  expect(JSON.parse(readFileSync('src/wire/budget.json', 'utf8'))).toEqual({ ...BUDGET, ...ACCESS_BUDGET });
});
