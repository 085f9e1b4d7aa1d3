import type { ComponentChildren, VNode } from 'preact';
import type { EdgeTls } from '../edge.js';

export type Tone = 'good' | 'warn' | 'bad' | 'quiet';

/** A word with a colour and a mark; the mark tells as much as the colour. */
export function Chip({
  tone,
  title,
  children,
}: {
  tone: Tone;
  title?: string;
  children: ComponentChildren;
}): VNode {
  return (
    <span class={`chip ${tone}`} title={title}>
      {children}
    </span>
  );
}

const TLS: Readonly<Record<EdgeTls, { tone: Tone; text: string }>> = {
  mutual: { tone: 'good', text: 'mutual TLS' },
  backend: { tone: 'good', text: 'TLS to a server outside' },
  none: { tone: 'warn', text: 'plain text' },
  mixed: { tone: 'warn', text: 'partly mutual TLS' },
  unknown: { tone: 'quiet', text: 'not connected' },
};

export function tlsText(tls: EdgeTls): string {
  return TLS[tls].text;
}

export function TlsChip({ tls }: { tls: EdgeTls }): VNode {
  return <Chip tone={TLS[tls].tone}>{TLS[tls].text}</Chip>;
}

/** Whether a success rate is one to worry about. */
export function successTone(rate: number | undefined): Tone {
  if (rate === undefined) return 'quiet';
  if (rate >= 0.999) return 'good';
  return rate >= 0.95 ? 'warn' : 'bad';
}
