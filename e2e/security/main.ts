// Run by e2e/security/run.sh in namespaces of its own: plays each row and ends with `security: N of M met`.
import { join } from 'node:path';
import { inspect, parseArgs } from 'node:util';
import { makeNode } from '../netns/network.js';
import { RealApiServer } from './api-server.js';
import { Ground } from './ground.js';
import { ELSEWHERE, NOT_YET, WITHOUT_KUBERNETES } from './not-yet.js';
import type { Played, Row } from './row.js';
import { rows } from './rows/index.js';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    proxy: { type: 'string', default: 'weft-proxy' },
    // A folder with etcd and kube-apiserver; without it what they are needed for is not played.
    kubernetes: { type: 'string', default: '' },
    // The program that e2e/security/servers/files.go is built into.
    files: { type: 'string', default: 'files' },
  },
});

/** Of what is wrong with a row so many are printed. */
const SHOWN = 12;

async function perform(row: Row): Promise<boolean> {
  const began = Date.now();
  const { attempts, twins, wrong } = await row.play().catch((thrown: unknown): Played => {
    const why = inspect(thrown);
    return { attempts: 0, twins: 0, wrong: [why] };
  });
  const met = wrong.length === 0 && attempts > 0 && twins > 0;
  const seconds = ((Date.now() - began) / 1000).toFixed(1);
  const counts = `${attempts} refused, ${twins} passed, ${seconds} s`;
  console.log(`${met ? 'met ' : 'OPEN'}  ${row.area}: ${row.name} (${counts})`);
  for (const why of wrong.slice(0, SHOWN)) console.log(`        ${why}`);
  if (wrong.length > SHOWN) console.log(`        and ${wrong.length - SHOWN} more`);
  return met;
}

const began = Date.now();
await makeNode();
const ground = await Ground.open({ proxy: values.proxy, app: '' });
const server =
  values.kubernetes === ''
    ? undefined
    : await RealApiServer.start(values.kubernetes, join(ground.world.directory, 'kubernetes'));
await server?.install();
let met = 0;
let played = 0;
for (const row of rows(ground, server, values.files).filter(({ area, name }) =>
  `${area}: ${name}`.includes(values.only),
)) {
  played += 1;
  met += (await perform(row)) ? 1 : 0;
}
await server?.close();
await ground.close(met < played);
const later = values.only === '' ? [...NOT_YET, ...(server === undefined ? WITHOUT_KUBERNETES : [])] : [];
if (values.only === '')
  for (const { area, name, by } of ELSEWHERE) console.log(`elsewhere: ${area}: ${name} (${by})`);
for (const { area, name, because } of later) console.log(`not yet: ${area}: ${name} (${because})`);
console.log(`in ${((Date.now() - began) / 1000).toFixed(0)} s`);
console.log(`security: ${met} of ${played + later.length} met`);
process.exit(met === played ? 0 : 1); // the control plane's listeners hold the loop
