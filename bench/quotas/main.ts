// `e2e/suite/ts.sh bench/quotas/main.ts` prints the table of docs/adr/0017-global-quotas-without-redis.md.
import { CASES, QUICK, SLOW } from './cases.js';
import { type Outcome, play } from './simulation.js';

const percent = (value: number): string => `${value > 0 ? '+' : ''}${value.toFixed(1)}`;
const cell = ({ error, worst }: Outcome): string => `${percent(error)} (${percent(worst)})`;

console.log('| | pod share | leases, 1 s | leases, 250 ms | messages a second |');
console.log('|---|---|---|---|---|');
for (const one of CASES) {
  const [share, slow, quick] = [play(one), play(one, SLOW), play(one, QUICK)];
  const messages = [slow, quick].map((outcome) => outcome.messages.toFixed(0)).join(', ');
  console.log(`| ${one.name} | ${cell(share)} | ${cell(slow)} | ${cell(quick)} | ${messages} |`);
}
