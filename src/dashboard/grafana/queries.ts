/** Pieces of PromQL that panels share. */

/** The pods that the variables of the page choose. */
export const CHOSEN = 'namespace=~"$namespace", workload=~"$workload"';

/** What `weft stat` calls a fault of the server: 5xx, or one of these statuses of gRPC. */
const GRPC_FAULTS = '2|4|12|13|14|15';

/** How many a second, summed by these labels; none: altogether. */
export function perSecond(metric: string, matchers = '', by = ''): string {
  return `${sumBy(by)} (${rate(metric, matchers)})`;
}

/** Requests that failed, a second. */
export function failures(matchers: string, by = ''): string {
  const http = rate('weft_requests_total', all('code=~"5.."', matchers));
  const grpc = rate('weft_requests_total', all('code!~"5.."', `grpc_status=~"${GRPC_FAULTS}"`, matchers));
  return `${sumBy(by)} (${http} or ${grpc})`;
}

/** Share of requests without a failure; 1 where there was none. */
export function success(matchers: string, by = ''): string {
  const total = perSecond('weft_requests_total', matchers, by);
  return `1 - (${failures(matchers, by)} or ${total} * 0) / (${total} > 0)`;
}

/** A quantile of a histogram. */
export function quantile(q: number, metric: string, matchers = '', by = ''): string {
  return `histogram_quantile(${q}, ${sumBy(all(by, 'le'))} (${rate(`${metric}_bucket`, matchers)}))`;
}

function rate(metric: string, matchers: string): string {
  return `rate(${metric}${matchers === '' ? '' : `{${matchers}}`}[$__rate_interval])`;
}

function sumBy(labels: string): string {
  return labels === '' ? 'sum' : `sum by (${labels})`;
}

/** Joins those that are there. */
export function all(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(', ');
}
