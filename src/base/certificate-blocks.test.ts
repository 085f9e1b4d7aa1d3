import { expect, test } from '@jest/globals';
import { certificateBlocks } from './certificate-blocks.js';

test('certificates are found in a text with comments and keys between them, and nothing in one without', () => {
  const one = '-----BEGIN CERTIFICATE-----\nQQ==\n-----END CERTIFICATE-----';
  const other = '-----BEGIN CERTIFICATE-----\r\nQg==\r\n-----END CERTIFICATE-----';
  const key = '-----BEGIN PRIVATE KEY-----\nQw==\n-----END PRIVATE KEY-----';
  expect(certificateBlocks(`# root\n${one}\n${key}\n${other}\n`)).toEqual([one, other]);
  expect(certificateBlocks(key)).toEqual([]);
});
