import type { Edge } from '../edge.js';
import type { Tone } from './chip.js';
import { formatRate } from './format.js';

/** Something about a call that somebody should look at, in a few words. */
export interface Trouble {
  readonly tone: Tone;
  readonly text: string;
  /** More of it; empty where there is none. */
  readonly title: string;
}

/** What is wrong with a call, worst first. */
export function troublesOf(edge: Edge): readonly Trouble[] {
  const { perSecond, successRate = 1, denied, wouldBeDenied, limited, retries, rules } = edge;
  const by = rules.length === 0 ? '' : ` by ${rules.join(', ')}`;
  const failing = perSecond * (1 - successRate);
  const rows: readonly (Trouble & { readonly count: number })[] = [
    { count: failing, tone: 'bad', text: `${formatRate(failing)}/s fail`, title: '' },
    { count: denied, tone: 'bad', text: `${denied} refused${by}`, title: `in the last seconds${by}` },
    { count: limited, tone: 'warn', text: `${limited} over a limit`, title: '' },
    {
      count: wouldBeDenied,
      tone: 'warn',
      text: `${wouldBeDenied} would be refused${by}`,
      title: 'not enforced yet',
    },
    { count: retries, tone: 'quiet', text: `${retries} sent again`, title: '' },
  ];
  return rows.filter(({ count }) => count > 0);
}
