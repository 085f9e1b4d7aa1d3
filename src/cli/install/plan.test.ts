import { readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { planOf } from './plan.js';

const charts = async (): Promise<string> =>
  (await Promise.all(['crds', 'weft'].map((name) => readFile(`deploy/${name}.yaml`, 'utf8')))).join('---\n');

test('every kind of the charts is known as the API server calls it, and what the control plane takes', async () => {
  const { kinds, ...rest } = planOf(await charts());
  expect(kinds.map(({ resource, group, namespaced }) => `${resource}.${group} ${namespaced}`).sort()).toEqual(
    [
      'clusterrolebindings.rbac.authorization.k8s.io false',
      'clusterroles.rbac.authorization.k8s.io false',
      'customresourcedefinitions.apiextensions.k8s.io false',
      'deployments.apps true',
      'mutatingwebhookconfigurations.admissionregistration.k8s.io false',
      'networkpolicies.networking.k8s.io true',
      'poddisruptionbudgets.policy true',
      'rolebindings.rbac.authorization.k8s.io true',
      'roles.rbac.authorization.k8s.io true',
      'secrets. true',
      'serviceaccounts. true',
      'services. true',
      'validatingadmissionpolicies.admissionregistration.k8s.io false',
      'validatingadmissionpolicybindings.admissionregistration.k8s.io false',
    ],
  );
  expect(rest).toEqual({
    image: expect.stringMatching(/^docker\.io\/weft\/weft:/),
    replicas: 2,
    cpu: { request: '100m' },
    memory: { request: '256Mi', limit: '1536Mi' },
  });
});

test('what holds no control plane is no plan', () => {
  expect(() => planOf('kind: Service\napiVersion: v1\nmetadata: {name: a}\n')).toThrow(/no Deployment/);
});
