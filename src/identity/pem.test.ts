import { expect, test } from '@jest/globals';
import { decodeOnlyPem, decodePem, encodePem } from './pem.js';

const der = Uint8Array.from({ length: 300 }, (_, i) => i % 251);
const certificate = encodePem('CERTIFICATE', der);
const key = encodePem('PRIVATE KEY', der.slice(0, 40));

test('blocks have lines of 64 characters and end in a newline, so that they can be put one behind the other', () => {
  expect(certificate.split('\n').every((line) => line.length <= 64)).toBe(true);
  expect(certificate.endsWith('-----END CERTIFICATE-----\n')).toBe(true);
});

test.each([
  ['one', certificate, 1],
  ['several, with others between', certificate + key + certificate, 2],
  ['lines that end as on Windows, or in spaces', certificate.replaceAll('\n', '  \r\n'), 1],
  ['text between', `# mine\n${certificate}\nmore\n`, 1],
  ['no newline at the end', certificate.trimEnd(), 1],
  ['what is no base64', '-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n', 0],
  ['what breaks off', certificate.slice(0, 200), 0],
  ['another label', key, 0],
])('%s', (_what, text, expected) => {
  expect(decodePem('CERTIFICATE', text)).toEqual(Array.from({ length: expected }, () => der));
});

test('one block where there are two is an error that says where', () => {
  expect(() => decodeOnlyPem('CERTIFICATE', certificate + certificate, 'tls.crt')).toThrow(
    'tls.crt: expected one PEM block "CERTIFICATE", found 2',
  );
});
