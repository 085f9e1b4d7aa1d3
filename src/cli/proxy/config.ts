import { z } from 'zod';
import type { PodName } from '../inspect/ask.js';
import type { Page } from '../page.js';

/** What of a proxy's configuration is shown to people; the rest is there with `-o json`. More may come from a newer one. */
const dump = z.looseObject({
  identity: z.looseObject({ id: z.string() }),
  controlPlane: z.looseObject({
    connected: z.boolean(),
    lastError: z.string().nullish(),
    rejected: z.record(z.string(), z.string()).default({}),
  }),
  workload: z.looseObject({
    mtlsMode: z.string(),
    outboundPolicy: z.string().default('-'),
    access: z.looseObject({ default: z.string(), rules: z.number() }).nullish(),
    inboundPorts: z
      .array(
        z.looseObject({
          port: z.number(),
          protocol: z.string(),
          mtlsMode: z.string(),
          services: z.array(z.string()).default([]),
        }),
      )
      .default([]),
  }),
  destinations: z
    .record(
      z.string(),
      z
        .looseObject({
          protocol: z.string(),
          routes: z.array(z.looseObject({ name: z.string() })).default([]),
          backends: z
            .array(z.looseObject({ name: z.string(), endpoints: z.array(z.unknown()).default([]) }))
            .default([]),
        })
        .nullable(),
    )
    .default({}),
});

/** Routes, destinations and what it enforces, as the proxy has them now. */
export function configText({ namespace, name }: PodName, told: unknown, page: Page): string {
  const { identity, controlPlane, workload, destinations } = dump.parse(told);
  const { access, mtlsMode, outboundPolicy, inboundPorts } = workload;
  const rejected = Object.entries(controlPlane.rejected);
  const link = controlPlane.connected ? page.good('connected') : page.bad('not connected');
  const known = Object.entries(destinations).sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    page.strong(`proxy of ${namespace}/${name}`),
    `identity        ${identity.id}`,
    `control plane   ${link}${controlPlane.lastError ? `, last error: ${controlPlane.lastError}` : ''}`,
    `mutual TLS      ${mtlsMode}`,
    `access          ${access ? `${access.default} by default, rules: ${access.rules}` : 'no rules'}`,
    `outbound        ${outboundPolicy}`,
    ...rejected.map(([what, why]) => page.bad(`rejected        ${what}: ${why}`)),
    '',
    page.strong('Inbound'),
    page.table(
      ['PORT', 'PROTOCOL', 'MUTUAL TLS', 'SERVICES'],
      inboundPorts.map((one) => [
        String(one.port),
        one.protocol,
        one.mtlsMode,
        one.services.join(' ') || '-',
      ]),
    ),
    '',
    page.strong('Destinations'),
    page.table(
      ['DESTINATION', 'PROTOCOL', 'ROUTES', 'BACKENDS'],
      known.map(([key, one]) => [
        key,
        one?.protocol ?? page.caution('unknown'),
        one?.routes.map((route) => route.name).join(' ') || '-',
        one?.backends.map((backend) => `${backend.name} (${backend.endpoints.length})`).join(' ') || '-',
      ]),
    ),
  ].join('\n');
}
