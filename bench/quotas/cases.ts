import type { Terms } from './leases.js';
import type { Case } from './simulation.js';

/** What ADR 17 compares the share of pods with. */
export const SLOW: Terms = { period: 1, latest: 0.5 };
export const QUICK: Terms = { period: 0.25, latest: 0.4 };

const evenly: Case['pick'] = (pods, random) => Math.floor(random * pods);
const ten = (): number => 10;

/** A tenth of the pods gets nine tenths of the requests. */
const skewed: Case['pick'] = (pods, random) => {
  const few = Math.max(1, Math.round(pods / 10));
  const part = random / 0.9;
  return part < 1 ? Math.floor(part * few) : few + Math.floor((random - 0.9) * 10 * (pods - few));
};

/** What ADR 17 compares. */
export const CASES: readonly Case[] = [
  { name: 'ten pods, evenly', pods: ten, pick: evenly },
  { name: 'ten callers with a limit each, evenly', pods: ten, pick: evenly, keys: 10 },
  { name: 'pods 2, 10, 3', pods: (at) => (at < 20 ? 2 : at < 40 ? 10 : 3), pick: evenly },
  { name: 'skew 90/10', pods: ten, pick: skewed },
  { name: 'one hot key on one pod (hash, session)', pods: ten, pick: () => 0 },
  {
    name: 'skew 90/10, and the busy pod is another one every 10 s',
    pods: ten,
    pick: (pods, random, at) => (skewed(pods, random, at) + Math.floor(at / 10)) % pods,
  },
  {
    name: 'skew 90/10, the replica away for 10 s',
    pods: ten,
    pick: skewed,
    away: (at) => at >= 20 && at < 30,
  },
];
