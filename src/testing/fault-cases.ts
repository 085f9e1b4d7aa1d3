const route = (fields: object): object => ({ routes: [fields] });

/** Specs with faults that are good by themselves. */
export const GOOD_FAULTS: readonly (readonly [what: string, spec: object])[] = [
  [
    'failures on purpose',
    route({
      match: [{ from: { namespaces: ['qa'] } }],
      fault: {
        abort: { fraction: { numerator: 1, denominator: 1000 }, status: 503, grpcStatus: 8 },
        delay: { percent: 5, duration: '200ms' },
        slowBody: { percent: 1, bytesPerSecond: 1000 },
        maxActive: 10,
      },
    }),
  ],
];

/** Specs with faults that cannot be, the field that is blamed, and what is said about it. */
export const BAD_FAULTS: readonly (readonly [what: string, spec: object, field: string, message: string])[] =
  [
    ['a fault that does nothing', route({ fault: { maxActive: 1 } }), 'spec.routes[0].fault', 'does nothing'],
    [
      'an abort of nothing',
      route({ fault: { abort: { status: 503 } } }),
      'spec.routes[0].fault.abort',
      'give exactly one of percent and fraction',
    ],
    [
      'a fault of an answer',
      route({ directResponse: { status: 200 }, fault: { delay: { percent: 1, duration: '1s' } } }),
      'spec.routes[0].fault',
      'a route that answers by itself never fails',
    ],
  ];

/** For each field of a fault, two specs that differ in it only; `routed` makes a spec of a route's fields. */
export function faultCases(routed: (route: object) => object): Record<string, [object, object]> {
  const abort = (fields: object) => routed({ fault: { abort: { status: 503, ...fields } } });
  const delay = (fields: object) => routed({ fault: { delay: { duration: '1s', ...fields } } });
  const slow = (fields: object) => routed({ fault: { slowBody: { bytesPerSecond: 10, ...fields } } });
  const ceiling = (fields: object) => routed({ fault: { delay: { percent: 1, duration: '1s' }, ...fields } });
  return {
    ...portionCases('spec.routes[].fault.abort', abort),
    ...portionCases('spec.routes[].fault.delay', delay),
    ...portionCases('spec.routes[].fault.slowBody', slow),
    'spec.routes[].fault.slowBody.bytesPerSecond': [
      slow({ percent: 1 }),
      slow({ percent: 1, bytesPerSecond: 11 }),
    ],
    'spec.routes[].fault.abort.status': [abort({ percent: 1 }), abort({ percent: 1, status: 502 })],
    'spec.routes[].fault.abort.grpcStatus': [abort({ percent: 1 }), abort({ percent: 1, grpcStatus: 8 })],
    'spec.routes[].fault.delay.duration': [delay({ percent: 1 }), delay({ percent: 1, duration: '2s' })],
    'spec.routes[].fault.maxActive': [ceiling({}), ceiling({ maxActive: 1 })],
  };
}

function portionCases(at: string, of: (fields: object) => object): Record<string, [object, object]> {
  const fraction = (fields: object) => of({ fraction: { numerator: 1, ...fields } });
  return {
    [`${at}.percent`]: [of({ percent: 1 }), of({ percent: 2 })],
    [`${at}.fraction.numerator`]: [fraction({}), fraction({ numerator: 2 })],
    [`${at}.fraction.denominator`]: [fraction({}), fraction({ denominator: 1000 })],
  };
}
