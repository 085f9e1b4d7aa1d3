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

/** The spans in the log of a collector. */
export function spansIn(log: string): readonly Span[] {
  return log.split('ResourceSpans #').slice(1).flatMap(spansOfResource);
}

function spansOfResource(text: string): readonly Span[] {
  const [resource = '', ...spans] = text.split(/^Span #\d+$/m);
  const service = attributesIn(resource)['service.name'] ?? '';
  return spans.map((span) => {
    const field = (name: string): string =>
      new RegExp(`^ +${name} +: ?(.*)$`, 'm').exec(span)?.[1]?.trim() ?? '';
    return {
      service,
      trace: field('Trace ID'),
      id: field('ID'),
      parent: field('Parent ID'),
      kind: field('Kind'),
      attributes: attributesIn(span),
    };
  });
}

function attributesIn(text: string): Readonly<Record<string, string>> {
  const found = text.matchAll(/^ +-> ([\w.]+): \w+\((.*)\)$/gm);
  return Object.fromEntries([...found].map(([, name = '', value = '']) => [name, value]));
}
