// What one pod tries against each port of the control plane, and what becomes of everybody else meanwhile:
//   e2e/suite/ts.sh e2e/hostile/main.ts [--seconds 1] [--only TEXT]
// Everything stays on loopback. Ends with `hostile: N of M held`.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { sleep } from '../../src/base/index.js';
import { beHonest, type Honest } from './honest.js';
import { ROWS, type Row } from './rows.js';
import { serveTarget, type Strain, type Target } from './target.js';
import { Weapons } from './weapons.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '3' },
    only: { type: 'string', default: '' },
  },
});

/** What one address may make a replica hold, after all rows, on top of what it holds anyway: the chart's limit leaves 400. */
const MAX_GROWTH_MB = 256;

interface Result {
  readonly name: string;
  readonly strain: Strain;
  readonly honest: Honest;
  readonly wrong: readonly string[];
}

async function answer<T>(child: ChildProcess): Promise<T> {
  child.send({});
  const [message] = (await once(child, 'message')) as [T];
  return message;
}

/** The row is played for a while; then, before the judging, those who asked meanwhile get their answers. */
async function play(
  row: Row,
  parts: { target: Target; server: ChildProcess; honest: ChildProcess; calmMb: number },
): Promise<Result> {
  const { target, server, honest, calmMb } = parts;
  await Promise.all([answer(server), answer(honest)]);
  const over = new AbortController();
  const played = row.play(new Weapons(target, over.signal)).catch(() => undefined);
  await sleep(Number(values.seconds) * 1_000);
  const strain = await answer<Strain>(server);
  const served = await untilAllAnswered(honest);
  over.abort();
  await Promise.race([played, sleep(2_000)]);
  const wrong = Object.entries(served).flatMap(([kind, { answered, failed, why }]) => [
    ...(failed > 0 ? [`${failed} ${kind} failed: ${why}`] : []),
    ...(answered === 0 ? [`no ${kind} answered`] : []),
  ]);
  const growth = strain.rssMb - calmMb;
  if (growth > MAX_GROWTH_MB) wrong.push(`it took ${Math.round(growth)} MB more`);
  return { name: row.name, strain, honest: served, wrong };
}

/** Under the row still: every kind has had an answer or a failure, or has waited for longer than anybody would. */
async function untilAllAnswered(honest: ChildProcess): Promise<Honest> {
  const total = await answer<Honest>(honest);
  for (let waited = 0; waited < 60; waited++) {
    if (Object.values(total).every(({ answered, failed }) => answered + failed > 0)) break;
    await sleep(100);
    const more = await answer<Honest>(honest);
    for (const [kind, served] of Object.entries(more) as [keyof Honest, Honest[keyof Honest]][]) {
      total[kind].answered += served.answered;
      total[kind].failed += served.failed;
      total[kind].slowestMs = Math.max(total[kind].slowestMs, served.slowestMs);
      if (served.why !== '') total[kind].why = served.why;
    }
  }
  return total;
}

function line({ name, strain, honest, wrong }: Result): string {
  const figures = Object.values(honest).map(
    ({ answered, slowestMs }) => `${answered}/${Math.round(slowestMs)}`,
  );
  const cells = [
    wrong.length === 0 ? 'held' : 'FELL',
    name.padEnd(72),
    `${Math.round(strain.rssMb)} MB`.padStart(7),
    `CPU ${Math.round(strain.cpuPercent)} %`.padStart(9),
    `lag ${Math.round(strain.lagMs)} ms`.padStart(12),
    ...figures.map((figure) => figure.padStart(9)),
  ];
  return [cells.join('  '), ...wrong.map((why) => `      ${why}`)].join('\n');
}

/** What the chart starts Node.js with: memory is judged as it is in a cluster. */
async function flagsOfTheChart(): Promise<string[]> {
  const template = await readFile('charts/weft/templates/deployment.yaml', 'utf8');
  const [, flags] =
    /command: \[\/usr\/local\/bin\/node, (--.*), \/opt\/weft\/weft\.mjs, controller\]/.exec(template) ?? [];
  if (flags === undefined)
    throw new Error('charts/weft/templates/deployment.yaml: no flags of Node.js were found');
  return flags.split(', ');
}

async function main(): Promise<number> {
  const self = fileURLToPath(import.meta.url);
  const server = fork(self, ['target'], { execArgv: await flagsOfTheChart() });
  const [target] = (await once(server, 'message')) as [Target];
  const honest = fork(self, ['honest', JSON.stringify(target)]);
  server.once('exit', (code) => {
    console.log(`the control plane ended with ${code}`);
    process.exit(1);
  });
  await sleep(1_500);
  const calmMb = (await answer<Strain>(server)).rssMb;
  console.log(
    `calm: ${Math.round(calmMb)} MB. Answered and slowest (ms) of reviews, certificates, config streams, probes.`,
  );
  const results: Result[] = [];
  for (const row of ROWS.filter(({ name }) => name.includes(values.only))) {
    const result = await play(row, { target, server, honest, calmMb });
    results.push(result);
    console.log(line(result));
  }
  server.removeAllListeners('exit');
  server.kill();
  honest.kill();
  const held = results.filter(({ wrong }) => wrong.length === 0).length;
  console.log(`hostile: ${held} of ${results.length} held`);
  return held === results.length ? 0 : 1;
}

if (positionals[0] === 'target') await serveTarget();
else if (positionals[0] === 'honest') await beHonest(JSON.parse(positionals[1] ?? '') as Target);
else process.exit(await main());
