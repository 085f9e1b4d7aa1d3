import { PodAuthorities, TOO_MANY } from '../compile/pod-authorities.js';
import { trustedAuthorities } from '../compile/trusted-authorities.js';
import type { Mesh } from '../tables/mesh.js';
import { countingExternalServices, MOST_EXTERNAL_SERVICES, opensTls } from '../tables/external-services.js';
import type { ExternalService } from '../words/external-service.js';
import type { DirtyKey } from '../words/keys.js';
import type { Problem } from '../words/problem.js';

/** What keeps an ExternalService from acting as written, that only the rest of the mesh shows. */
export function judgeExternalService(mesh: Mesh, service: ExternalService): readonly Problem[] {
  if (isExternalServiceInForce(mesh, service))
    return [...unverifiable(mesh, service), ...beyondBudget(mesh, service)];
  const until = opensTls(service)
    ? 'until then pods of the namespace reach nothing outside the mesh but what the others let out'
    : 'until then it lets nothing out';
  return [
    {
      condition: 'Accepted',
      reason: 'TooLarge',
      field: 'spec',
      message: `its namespace has ${MOST_EXTERNAL_SERVICES} older ExternalServices, or ones with tls, which is the most; merge some; ${until}`,
    },
  ];
}

/** Authorities that its ports name and that cannot be used. */
function unverifiable(mesh: Mesh, { ref, ports }: ExternalService): readonly Problem[] {
  return ports.flatMap(({ tls }) => {
    if (tls === undefined) return [];
    const { problems, refused } = trustedAuthorities(mesh, { ref, validation: tls, field: tls.field });
    const until = refused === undefined ? '' : '; until then requests at this port are answered with 503';
    return problems.map(({ field, text }): Problem => ({
      condition: 'ResolvedRefs',
      reason: 'InvalidCACertificateRef',
      field,
      message: `${text}${until}`,
    }));
  });
}

/** Authorities that its pods are not told, because those of others have taken the room. */
function beyondBudget(mesh: Mesh, service: ExternalService): readonly Problem[] {
  if (!opensTls(service)) return [];
  const told = new PodAuthorities(mesh);
  // Room is taken in this order, so nothing behind it matters.
  for (const one of countingExternalServices(mesh.externalServicesIn(service.ref.namespace))) {
    const fields = one.ports.flatMap((port) =>
      port.tls !== undefined && told.port(one, port).tls?.refused === TOO_MANY ? [port.tls.field] : [],
    );
    if (one.ref.uid === service.ref.uid) return fields.map(withoutRoom);
  }
  return [];
}

function withoutRoom(field: string): Problem {
  return {
    condition: 'ResolvedRefs',
    reason: 'InvalidCACertificateRef',
    field,
    message: `${TOO_MANY}; until then requests at this port are answered with 503`,
  };
}

/** Whether it is among those that count. */
export function isExternalServiceInForce(mesh: Mesh, { ref }: ExternalService): boolean {
  const counting = countingExternalServices(mesh.externalServicesIn(ref.namespace));
  return counting.some((one) => one.ref.uid === ref.uid);
}

/** ExternalServices whose verdict may be another after a change. */
export function externalServicesAbout(mesh: Mesh, dirty: Iterable<DirtyKey>): readonly ExternalService[] {
  const namespaces = new Set<string>();
  for (const key of dirty) if (key.startsWith(EGRESS)) namespaces.add(key.slice(EGRESS.length));
  return [...namespaces].flatMap((namespace) => mesh.externalServicesIn(namespace));
}

const EGRESS = 'egress/';
