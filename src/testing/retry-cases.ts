/** For each field of `retries`, two routes that must not compile alike; `routed` makes a spec of a route's fields. */
export function retryCases(routed: (fields: object) => object): Record<string, [object, object]> {
  const retries = (fields: object): object => routed({ retries: fields });
  return {
    'spec.routes[].retries.attempts': [retries({}), retries({ attempts: 3 })],
    'spec.routes[].retries.conditions': [retries({}), retries({ conditions: ['5xx'] })],
    'spec.routes[].retries.on': [retries({}), retries({ on: ['5xx'] })],
    'spec.routes[].retries.statuses': [retries({}), retries({ statuses: [429] })],
    'spec.routes[].retries.methods': [retries({}), retries({ methods: ['POST'] })],
    'spec.routes[].retries.backoff': [retries({}), retries({ backoff: '1s' })],
    'spec.routes[].retries.budget.percent': [retries({}), retries({ budget: { percent: 5 } })],
    'spec.routes[].retries.budget.interval': [retries({}), retries({ budget: { interval: '1s' } })],
    'spec.routes[].retries.budget.minPerSecond': [retries({}), retries({ budget: { minPerSecond: 1 } })],
  };
}
