const route = (fields: object): object => ({ routes: [fields] });

/** Specs with sessions that are good by themselves. */
export const GOOD_SESSIONS: readonly (readonly [what: string, spec: object])[] = [
  ['sessions in a cookie', route({ session: { cookie: { name: 'sid', permanent: true }, timeout: '1h' } })],
  ['sessions in a header', route({ session: { header: {} } })],
];

/** Those that are not, with the field and a part of the message. */
export const BAD_SESSIONS: readonly (readonly [
  what: string,
  spec: object,
  field: string,
  message: string,
])[] = [
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
    'a permanent cookie needs an end',
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
