// `make figures`: what the mesh costs on the local cluster, beside the same pods without it, rounds interleaved.
// Prints a table and writes ~/.cache/weft/figures.json.
import Table from 'cli-table3';
import { mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import pc from 'picocolors';
import { app, container, deploy, load, namespace } from '../e2e/support/app.js';
import { apply, kubectl } from '../e2e/support/run.js';
import { installWeft } from '../e2e/support/weft.js';
import { proxyMemory } from './memory.js';

const MESHED = 'figures-meshed';
const PLAIN = 'figures-plain';
const ROUNDS = 5;

type Figures = Record<string, string | number>;

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function spread(values: readonly number[]): string {
  const digits = (n: number): string => n.toFixed(n < 10 ? 2 : 0);
  return `${digits(median(values))} (${digits(Math.min(...values))} to ${digits(Math.max(...values))})`;
}

/** Milliseconds at a fixed rate of 200 requests a second in an open loop, per namespace and percentile. */
async function latency(): Promise<Figures> {
  const seen: Record<string, { p50: number[]; p99: number[] }> = {
    [PLAIN]: { p50: [], p99: [] },
    [MESHED]: { p50: [], p99: [] },
  };
  for (let round = 0; round < ROUNDS * 2; round++) {
    const ns = (round + Math.floor(round / 2)) % 2 === 0 ? PLAIN : MESHED; // the order turns around each round
    const flags = [
      '-url',
      'http://server:8080/healthz',
      '-rate',
      '200',
      '-count',
      '1000',
      '-connections',
      '16',
    ];
    const { failed, millis } = await load(ns, 'deploy/client', ...flags);
    if (failed > 0) throw new Error(`${failed} requests failed in ${ns}`);
    seen[ns]?.p50.push(millis.p50);
    seen[ns]?.p99.push(millis.p99);
  }
  return Object.fromEntries(
    [PLAIN, MESHED].flatMap((ns) => [
      [`latency at 200 rps, ${ns}, p50 ms`, spread(seen[ns]?.p50 ?? [])],
      [`latency at 200 rps, ${ns}, p99 ms`, spread(seen[ns]?.p99 ?? [])],
    ]),
  );
}

/** VmRSS of both proxies: idle, under 100 HTTP/1.1 and 10 HTTP/2 connections, and a minute later. */
async function memory(): Promise<Figures> {
  const url = 'http://server:8080/healthz';
  const out: Figures = {};
  const note = async (when: string): Promise<void> => {
    for (const who of ['client', 'server'])
      out[`VmRSS ${when}, ${who}'s proxy, MB`] = await proxyMemory(MESHED, who);
  };
  await note('idle');
  const busy = Promise.all([
    load(MESHED, 'deploy/client', '-url', url, '-rate', '2000', '-connections', '100', '-duration', '20s'),
    load(
      MESHED,
      'deploy/client',
      '-url',
      url,
      '-rate',
      '500',
      '-connections',
      '10',
      '-h2',
      '-duration',
      '20s',
    ),
  ]);
  await sleep(12_000); // well inside the 20 s of load
  await note('busy');
  await busy;
  await sleep(60_000); // "a minute later" is the figure asked for
  await note('60 s later');
  return out;
}

/** Milliseconds of the first request to a Service its proxy has never heard of, and of the second. */
async function firstRequest(): Promise<Figures> {
  const names = Array.from({ length: 10 }, (_, i) => `fresh-${i}`);
  await apply(
    names.map((name) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: MESHED },
      spec: { selector: { app: 'server' }, ports: [{ name: 'http', port: 8080 }] },
    })),
  );
  await sleep(2000); // cluster DNS has to know the names; its cache is not what is measured
  const times: Record<string, number[]> = { first: [], second: [] };
  for (const name of names) {
    for (const which of ['first', 'second']) {
      const url = `http://${name}:8080/healthz`;
      const { millis } = await load(
        MESHED,
        'deploy/client',
        '-url',
        url,
        '-count',
        '1',
        '-rate',
        '1',
        '-fresh',
      );
      times[which]?.push(millis.max);
    }
  }
  return {
    'first request to a new destination, ms': spread(times['first'] ?? []),
    'second request on a new connection, ms': spread(times['second'] ?? []),
  };
}

/** Seconds from creating a pod to its readiness. */
async function podStart(): Promise<Figures> {
  const seen: Record<string, number[]> = { [PLAIN]: [], [MESHED]: [] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const ns of round % 2 === 0 ? [PLAIN, MESHED] : [MESHED, PLAIN]) {
      const name = `start-${round}`;
      const start = Date.now();
      await apply({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace: ns },
        spec: { terminationGracePeriodSeconds: 1, containers: [container({ name })] },
      });
      await kubectl('wait', '-n', ns, `pod/${name}`, '--for=condition=Ready', '--timeout=60s');
      seen[ns]?.push((Date.now() - start) / 1000);
      await kubectl('delete', 'pod', '-n', ns, name);
    }
  }
  return {
    'pod start to ready without the mesh, s': spread(seen[PLAIN] ?? []),
    'pod start to ready with the mesh, s': spread(seen[MESHED] ?? []),
  };
}

async function main(): Promise<void> {
  await installWeft('replicas=1');
  await apply([namespace(MESHED), namespace(PLAIN, {})]);
  for (const ns of [MESHED, PLAIN]) {
    await apply(
      [
        { namespace: ns, name: 'server' },
        { namespace: ns, name: 'client' },
      ].flatMap(app),
    );
    await deploy({ namespace: ns, name: 'server' }, { namespace: ns, name: 'client' });
  }
  const figures: Figures = {
    ...(await memory()),
    ...(await latency()),
    ...(await firstRequest()),
    ...(await podStart()),
  };
  const table = new Table({
    head: ['figure', `median of ${ROUNDS} or more (range)`].map((h) => pc.bold(h)),
    style: { head: [], border: [] },
  });
  for (const row of Object.entries(figures)) table.push(row);
  console.log(table.toString());
  const dir = `${homedir()}/.cache/weft`;
  await mkdir(dir, { recursive: true });
  await writeFile(`${dir}/figures.json`, JSON.stringify(figures, null, 2));
  await kubectl('delete', 'namespace', MESHED, PLAIN, '--wait=false');
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
