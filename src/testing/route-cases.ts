const route = (fields: object): object => ({ routes: [fields] });

/** Specs with sessions and timeouts that are good by themselves. */
export const GOOD_ROUTES: readonly (readonly [what: string, spec: object])[] = [
  ['sessions in a cookie', route({ session: { cookie: { name: 'sid', permanent: true }, timeout: '1h' } })],
  ['sessions in a header', route({ session: { header: {} } })],
  [
    'timeouts of all kinds',
    route({ timeouts: { request: '0s', perTry: '1s', connect: '1m', idle: '2s', stream: '1h' } }),
  ],
];

/** Those that are not, with the field and a part of the message. */
export const BAD_ROUTES: readonly (readonly [what: string, spec: object, field: string, message: string])[] =
  [
    [
      'sessions in two places',
      route({ session: { cookie: {}, header: {} } }),
      'spec.routes[0].session',
      'give exactly one of cookie and header',
    ],
    [
      'a permanent cookie without an end',
      route({ session: { cookie: { permanent: true }, timeout: '0s' } }),
      'spec.routes[0].session.timeout',
      'a permanent cookie needs a lifetime',
    ],
    [
      'a minute and more for a connection',
      route({ timeouts: { connect: '61s' } }),
      'spec.routes[0].timeouts.connect',
      'is longer than a minute; lower it',
    ],
    [
      'sessions with nobody',
      route({ session: { cookie: {} }, directResponse: { status: 204 } }),
      'spec.routes[0]',
      'a route that answers by itself sends nothing on; remove split, rewrite, mirror and session',
    ],
  ];

/** For each field of sessions two specs that differ in it alone; `routed` makes a spec of a route. */
export function sessionCases(routed: (route: object) => object): Record<string, [object, object]> {
  const kept = (fields: object): object => routed({ session: { cookie: {}, ...fields } });
  const byHeader = (header: object): object => routed({ session: { header } });
  return {
    'spec.routes[].session.cookie.name': [kept({}), kept({ cookie: { name: 'sid' } })],
    'spec.routes[].session.cookie.permanent': [
      kept({ timeout: '1m' }),
      kept({ timeout: '1m', cookie: { permanent: true } }),
    ],
    'spec.routes[].session.header.name': [byHeader({}), byHeader({ name: 'x-sid' })],
    'spec.routes[].session.timeout': [kept({}), kept({ timeout: '1m' })],
  };
}

/** For each timeout two specs that differ in it alone. */
export function timeoutCases(routed: (route: object) => object): Record<string, [object, object]> {
  const fields = ['request', 'perTry', 'connect', 'idle', 'stream'];
  return Object.fromEntries(
    fields.map((field) => [
      `spec.routes[].timeouts.${field}`,
      [routed({}), routed({ timeouts: { [field]: '2s' } })],
    ]),
  );
}
