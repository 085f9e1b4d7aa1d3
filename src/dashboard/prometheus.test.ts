import { expect, test } from '@jest/globals';
import { parsePrometheus } from './prometheus.js';

test('names, labels and values are read, comments and the end mark are not', () => {
  const text = `# HELP weft_requests HTTP requests, by result.
# TYPE weft_requests counter
weft_requests_total{code="200",grpc_status="",peer="spiffe://cluster.local/ns/shop/sa/web"} 12
up 1
# EOF
`;
  expect(parsePrometheus(text)).toEqual([
    {
      name: 'weft_requests_total',
      labels: { code: '200', grpc_status: '', peer: 'spiffe://cluster.local/ns/shop/sa/web' },
      value: 12,
    },
    { name: 'up', labels: {}, value: 1 },
  ]);
});

test('braces, commas, quotes and backslashes inside a value belong to it', () => {
  const [sample] = parsePrometheus(
    String.raw`x{backend="shop/reviews:8080{version=v1,a=b}",q="a\"b\\c\nd"} 3`,
  );
  expect(sample?.labels).toEqual({ backend: 'shop/reviews:8080{version=v1,a=b}', q: 'a"b\\c\nd' });
});

test('timestamps and exemplars are passed over, spaces and a trailing comma are allowed', () => {
  const text = 'a{le="+Inf", } 4 1700000000000\nb_bucket{le="0.1"} 8 # {trace_id="x"} 0.05 1700000000\n';
  expect(parsePrometheus(text).map((s) => [s.name, s.labels.le, s.value])).toEqual([
    ['a', '+Inf', 4],
    ['b_bucket', '0.1', 8],
  ]);
});

test('infinities, not-a-number and exponents are values', () => {
  expect(parsePrometheus('a +Inf\nb -Inf\nc NaN\nd 1.5e-3').map((s) => s.value)).toEqual([
    Infinity,
    -Infinity,
    NaN,
    0.0015,
  ]);
});

test.each(['', 'a', 'a{b="c} 1', 'a{b=c} 1', 'a{b} 1', 'a one', '{b="c"} 1', 'a{b="c"}'])(
  'what cannot be read is passed over and hides nothing: %s',
  (line) => {
    expect(parsePrometheus(`before 1\n${line}\nafter 2`).map((s) => s.name)).toEqual(['before', 'after']);
  },
);
