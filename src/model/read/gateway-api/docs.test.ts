import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { aMesh } from '../../../testing/mesh.js';
import { compileBackendTls } from '../../compile/compile-backend-tls.js';
import type { RouteKind } from '../../words/mesh-route.js';
import { systemAuthorities } from '../../words/system-authorities.js';
import { toPolicy } from '../to-policy.js';
import { toBackendPolicy } from './to-backend-policy.js';
import { toBackendTlsPolicy } from './to-backend-tls-policy.js';
import { toMeshRoute } from './to-mesh-route.js';
import { toXBackend } from './to-x-backend.js';

interface Example {
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

/** The objects of a page, in their order. */
function examples(page: string): readonly Example[] {
  return [...readFileSync(page, 'utf8').matchAll(/```yaml\n(.*?)```/gs)].flatMap(([, text = '']) =>
    parseAllDocuments(text).map((document) => document.toJS() as Example),
  );
}

const objects = examples('docs/gateway-api.md');

const isRoute = (kind: string): kind is RouteKind => kind.endsWith('Route');

test.each(objects.map((object) => [object.kind, object.metadata.name, object] as const))(
  'the %s %s of the page acts as written',
  (kind, _name, object) => {
    if (isRoute(kind)) {
      expect(toMeshRoute(kind, object)!.problems).toEqual([]);
    } else if (kind === 'XBackend') {
      expect(toXBackend(object)!.problems).toEqual([]);
    } else if (kind === 'XBackendTrafficPolicy') {
      expect(toBackendPolicy(object)).toMatchObject({ budget: {}, problems: [] });
    } else {
      expect(toPolicy(object).problems).toEqual([]);
    }
  },
);

test('the policy of the page about TLS to servers acts as written', () => {
  const [policy, service, byPublic] = examples('docs/backend-tls.md');
  const read = toBackendTlsPolicy(policy)!;
  const names = { dns: [], uris: [] };
  expect(read).toMatchObject({
    hostname: 'ratings.example.org',
    names,
    authorities: [{ name: 'ratings-ca' }],
  });
  const [target] = read.targets;
  expect(service).toMatchObject({
    metadata: { namespace: target!.namespace, name: target!.name },
    spec: { ports: [{ name: target!.section }] },
  });
  const mesh = aMesh();
  const { tls, problems } = compileBackendTls(mesh, toBackendTlsPolicy(byPublic)!);
  expect([tls.refused, problems, tls.authorities]).toEqual([undefined, [], systemAuthorities()]);
});

test('the page has examples', () => expect(objects.length).toBeGreaterThan(2));
