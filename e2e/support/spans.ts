/** A span as a collector's debug exporter writes it. */
export interface Span {
  readonly service: string;
  readonly trace: string;
  readonly id: string;
  /** Empty: it begins the trace. */
  readonly parent: string;
  readonly kind: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** A record of a log as it writes that. */
export type LogRecord = Pick<Span, 'service' | 'trace' | 'attributes'> & {
  /** Of the span that it belongs to. */
  readonly span: string;
  readonly severity: string;
};

/** The records of logs in the log of a collector. */
export function recordsIn(log: string): readonly LogRecord[] {
  return log.split('ResourceLog #').slice(1).flatMap(recordsOfResource);
}

function recordsOfResource(text: string): readonly LogRecord[] {
  // Spans that it was told of later stand behind them.
  const [own = ''] = text.split('ResourceSpans #');
  const [resource = '', ...records] = own.split(/^LogRecord #\d+$/m);
  const service = attributesIn(resource)['service.name'] ?? '';
  return records.map((record) => ({
    service,
    trace: fieldIn(record, 'Trace ID'),
    span: fieldIn(record, 'Span ID'),
    severity: fieldIn(record, 'SeverityText'),
    attributes: attributesIn(record),
  }));
}

/** The spans in the log of a collector. */
export function spansIn(log: string): readonly Span[] {
  return log.split('ResourceSpans #').slice(1).flatMap(spansOfResource);
}

function spansOfResource(text: string): readonly Span[] {
  const [own = ''] = text.split('ResourceLog #');
  const [resource = '', ...spans] = own.split(/^Span #\d+$/m);
  const service = attributesIn(resource)['service.name'] ?? '';
  return spans.map((span) => ({
    service,
    trace: fieldIn(span, 'Trace ID'),
    id: fieldIn(span, 'ID'),
    parent: fieldIn(span, 'Parent ID'),
    kind: fieldIn(span, 'Kind'),
    attributes: attributesIn(span),
  }));
}

function fieldIn(text: string, name: string): string {
  return new RegExp(`^ *${name} *: ?(.*)$`, 'm').exec(text)?.[1]?.trim() ?? '';
}

function attributesIn(text: string): Readonly<Record<string, string>> {
  const found = text.matchAll(/^ +-> ([\w.]+): \w+\((.*)\)$/gm);
  return Object.fromEntries([...found].map(([, name = '', value = '']) => [name, value]));
}
