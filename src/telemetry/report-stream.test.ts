import { expect, test } from '@jest/globals';
import { Metrics, type Clock } from '../base/index.js';
import type { ProxyStream } from '../proxies/index.js';
import { Direction, Tls } from '../wire/gen/weft/telemetry/v1/telemetry_pb.js';
import { telemetryMetrics } from './metrics.js';
import { Pace } from './pace.js';
import type { Report } from './read-report.js';
import { ReportStream } from './report-stream.js';
import { TrafficStore } from './traffic-store.js';

class Time implements Clock {
  at = 1_000_000;
  now = (): number => this.at;
  monotonic = (): number => this.at;
}

const REPORTER = {
  namespace: 'shop',
  kind: 'Deployment',
  name: 'web',
  identity: 'spiffe://td/ns/shop/sa/web',
};

function report(values: Partial<Report>): Report {
  return { podUid: '', edges: [], counts: [], coversMs: 10_000, ...values };
}

/** An edge to `shop/<service>` as a stream names it. */
function named(service: string): Report['edges'][number] {
  const destination = `shop/${service}:80`;
  return {
    direction: Direction.OUTBOUND,
    destination,
    backend: '',
    route: '',
    peer: '',
    tls: Tls.MUTUAL,
    rule: '',
  };
}

test('edges that nobody looks at go after half an hour, while others are reported', () => {
  const time = new Time();
  const store = new TrafficStore({ clock: time, maxBytes: 1e6 });
  const sent = { signal: new AbortController().signal, hasRoom: () => true, send: () => undefined };
  const stream = new ReportStream({
    // As much of a stream as is used.
    stream: sent as unknown as ProxyStream,
    reporter: REPORTER,
    serves: () => false,
    store,
    pace: new Pace({ clock: time }),
    metrics: telemetryMetrics(new Metrics(), { streams: () => 0, edges: () => 0, bytes: () => 0 }),
    clock: time,
  });
  stream.request(report({ podUid: 'web-1' }));
  const once = [0, 1].map((edge) => ({ edge, grown: [0, 3], open: 0 }));
  stream.request(report({ edges: [named('reviews'), named('ratings')], counts: once }));
  expect(store.size).toBe(2);
  const bytes = store.bytes;
  for (let minute = 0; minute < 33; minute++) {
    time.at += 60_000;
    stream.request(report({ counts: [{ edge: 1, grown: [0, 1], open: 0 }] }));
  }
  expect(store.size).toBe(1);
  expect(store.bytes).toBeLessThanOrEqual(bytes / 2);
  // The stream names it still, and it comes back with what comes of it.
  stream.request(report({ counts: [{ edge: 0, grown: [0, 1], open: 0 }] }));
  expect(store.size).toBe(2);
});
