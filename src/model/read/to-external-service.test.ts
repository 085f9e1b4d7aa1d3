import { expect, test } from '@jest/globals';
import { toExternalService } from './to-external-service.js';

const object = (spec: object): object => ({
  apiVersion: 'weft.dev/v1alpha1',
  kind: 'ExternalService',
  metadata: { name: 'payments', namespace: 'shop', uid: 'uid-1', generation: 3 },
  spec: { ports: [{ port: 443, protocol: 'TLS' }], ...spec },
});

test('private addresses are open where the object says so in that word, and nowhere else', () => {
  const hosts = ['api.payments.example'];
  const allowed = toExternalService(object({ hosts, privateAddresses: 'Allow' }));
  expect(allowed).toMatchObject({ service: { hosts, privateAddresses: true }, problems: [] });
  expect(toExternalService(object({ hosts })).service?.privateAddresses).toBe(false);
  for (const privateAddresses of ['allow', 'Deny', true, '']) {
    const { service, problems } = toExternalService(object({ hosts, privateAddresses }));
    expect([privateAddresses, service]).toEqual([privateAddresses, undefined]);
    expect(problems[0]?.field).toBe('spec.privateAddresses');
  }
});

test('who may is every pod where nobody is named, and an empty list is no way to say so', () => {
  const hosts = ['api.payments.example'];
  expect(toExternalService(object({ hosts })).service).not.toHaveProperty('serviceAccounts');
  const named = toExternalService(object({ hosts, serviceAccounts: ['checkout'] }));
  expect(named.service?.serviceAccounts).toEqual(['checkout']);
  expect(toExternalService(object({ hosts, serviceAccounts: [] }))).toMatchObject({
    problems: [{ field: 'spec.serviceAccounts' }],
  });
});
