import { MeshError } from '../../base/index.js';
import type { Page } from '../page.js';
import { checkCluster } from './cluster.js';
import { checkCni } from './cni.js';
import { checkControlPlane } from './control-plane.js';
import type { Check, CheckOptions, Found } from './found.js';
import { checkKinds } from './kinds.js';
import { checkNamespaces } from './namespaces.js';
import { checkPods } from './pods.js';
import { checkRefusedPods } from './refused-pods.js';
import { checkSeries } from './series.js';
import { checkSettings } from './settings.js';
import { checkTrust } from './trust.js';
import { checkWebhook } from './webhook.js';

export type { CheckOptions, Found } from './found.js';

const CHECKS: readonly (readonly [string, Check])[] = [
  ['cluster', checkCluster],
  ['kinds', checkKinds],
  ['control plane', checkControlPlane],
  ['trust', checkTrust],
  ['webhook', checkWebhook],
  ['capture', checkCni],
  ['settings', checkSettings],
  ['namespaces', checkNamespaces],
  ['refused pods', checkRefusedPods],
  ['pods', checkPods],
  ['series', checkSeries],
];

/** What was found, and by which check. */
export type CheckFinding = Found & { readonly check: string };

export interface CheckReport {
  readonly ok: boolean;
  readonly found: readonly CheckFinding[];
  /** For people. */
  readonly text: string;
}

/** Looks at everything that has to be right before a mesh works. `ok` is false when one thing is not. */
export async function check(options: CheckOptions): Promise<CheckReport> {
  const { ok: inOrder, found, text } = await runChecks(CHECKS, options);
  const { good, bad } = options.page;
  const verdict = inOrder ? good('Weft is in order.') : bad('Weft is not in order.');
  return { ok: inOrder, text: [text, '', verdict].join('\n'), found };
}

/** Runs checks one after the other, each of which only reads. */
export async function runChecks(
  checks: readonly (readonly [string, Check])[],
  options: CheckOptions,
): Promise<CheckReport> {
  const lines: string[] = [];
  const all: CheckFinding[] = [];
  const inOrder = (): boolean => all.every(({ kind }) => kind !== 'failed');
  for (const [name, run] of checks) {
    const found = await attempt(run, options);
    all.push(...found.map((one) => ({ check: name, ...one })));
    for (const one of found) lines.push(...render(name, one, options.page));
    // Nothing can be said about a cluster that does not answer.
    if (name === 'cluster' && !inOrder()) break;
  }
  return { ok: inOrder(), text: lines.join('\n'), found: all };
}

async function attempt(run: Check, options: CheckOptions): Promise<readonly Found[]> {
  try {
    return await run(options);
  } catch (thrown) {
    const error = MeshError.from(thrown);
    const fix =
      error.code === 'permission-denied'
        ? 'ask for the right to read this, or run it as an administrator'
        : 'see the message';
    const kind = error.code === 'permission-denied' ? 'caution' : 'failed';
    return [{ kind, code: 'WEFT901', detail: error.message, fix }];
  }
}

function render(name: string, found: Found, page: Page): readonly string[] {
  const mark = { ok: page.good('ok     '), caution: page.caution('caution'), failed: page.bad('failed ') }[
    found.kind
  ];
  const line = `${mark}  ${page.strong(name.padEnd(13))}  ${found.detail}`;
  if (found.kind === 'ok') return [line];
  const indent = ' '.repeat(24);
  return [
    line,
    `${indent}${page.faint(`-> ${found.code}:`)} ${found.fix}`,
    ...(found.commands ?? []).map((command) => `${indent}   ${page.strong(command)}`),
  ];
}
