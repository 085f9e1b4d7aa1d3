import { expect, test } from '@jest/globals';
import { canonicalIp, ipBytes, ipFamily } from './ip.js';

test.each([
  ['10.96.0.5', '10.96.0.5'],
  ['0.0.0.0', '0.0.0.0'],
  ['fd00::1', 'fd00::1'],
  ['FD00:0:0:0:0:0:0:0001', 'fd00::1'],
  ['::', '::'],
  ['::ffff:10.96.0.5', '10.96.0.5'],
  ['fd00:0:0:1::', 'fd00:0:0:1::'],
])('%s is written %s', (text, canonical) => {
  expect(canonicalIp(text)).toBe(canonical);
});

test.each([
  '',
  'reviews',
  '10.96.0',
  '10.96.0.256',
  '10.96.0.05',
  '1::2::3',
  'fd00::g',
  '[::1]',
  ':',
  'None',
])('%j is no address', (text) => {
  expect(canonicalIp(text)).toBeUndefined();
});

test('bytes and text say the same address, for many random ones', () => {
  for (let round = 0; round < 500; round++) {
    const bytes = Uint8Array.from({ length: 16 }, () =>
      Math.random() < 0.5 ? 0 : Math.floor(Math.random() * 256),
    );
    bytes[0] = 0xfd;
    const groups = Array.from({ length: 8 }, (_, i) =>
      ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16),
    );
    const canonical = canonicalIp(groups.join(':'))!;
    expect([...ipBytes(canonical)]).toEqual([...bytes]);
    expect(canonicalIp(canonical)).toBe(canonical);
  }
  expect([...ipBytes('10.96.0.5')]).toEqual([10, 96, 0, 5]);
  expect([...ipBytes('::')]).toEqual(Array(16).fill(0));
});

test('the family shows in the text', () => {
  expect([ipFamily('10.0.0.1'), ipFamily('fd00::1')]).toEqual(['ipv4', 'ipv6']);
});
