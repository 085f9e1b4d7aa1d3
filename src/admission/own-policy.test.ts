import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { webhooksOfChart, type WebhookOfChart } from '../testing/index.js';
import { celHolds } from '../testing/cel-rules.js';

/** The chart as rendered into deploy/, which CI checks to be current. */
interface Policy {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly validations: readonly { readonly expression: string; readonly message: string }[];
  };
}

const policy = parseAllDocuments(readFileSync('deploy/weft.yaml', 'utf8'))
  .map((document) => document.toJS() as Policy | null)
  .find((one) => one?.kind === 'ValidatingAdmissionPolicy' && one.metadata.name === 'weft-default');
const { expression } = policy!.spec.validations.find(({ message }) => message.includes('caBundle'))!;

/** Whether the control plane may write one list of entries where the other was. */
function permits(before: readonly object[], now: readonly object[]): boolean {
  const request = { operation: 'UPDATE', resource: { resource: 'mutatingwebhookconfigurations' } };
  return celHolds(expression, { request, object: { webhooks: now }, oldObject: { webhooks: before } });
}

const chart = webhooksOfChart();
const trusted = chart.map((webhook): WebhookOfChart => ({
  ...webhook,
  clientConfig: { ...webhook.clientConfig, caBundle: 'b3Vycw==' },
}));
const guard = {
  name: 'guard.example.com',
  clientConfig: { url: 'https://guard.example.com' },
  sideEffects: 'None',
};

test('the control plane may set the caBundle of its webhooks, and nothing else', () => {
  expect(permits(chart, trusted)).toBe(true);
  expect(permits(chart, trusted.slice(1))).toBe(false);
  expect(permits(chart, [...trusted, guard])).toBe(false);
  expect(permits(chart, [{ ...trusted[0], failurePolicy: 'Ignore' }, ...trusted.slice(1)])).toBe(false);
  expect(permits(chart, [{ ...trusted[0], rules: [] }, ...trusted.slice(1)])).toBe(false);
});

test('an entry of somebody else, even one with a URL, does not keep it from that, and stays as it is', () => {
  expect(permits([guard, ...chart], [guard, ...trusted])).toBe(true);
  const elsewhere = { ...guard, clientConfig: { url: 'https://elsewhere.example.com' } };
  expect(permits([guard, ...chart], [elsewhere, ...trusted])).toBe(false);
  const bundled = { ...guard, clientConfig: { ...guard.clientConfig, caBundle: 'b3Vycw==' } };
  expect(permits([guard, ...chart], [bundled, ...trusted])).toBe(false);
});
