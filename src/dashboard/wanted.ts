import type { PolicyView } from './mesh-view.js';
import type { Split } from './splits.js';
import { actsOn } from './suspects.js';

/** The parts of routes with the share that the policy behind each asks for, where there is one and it divides by weight. */
export function withWanted(splits: readonly Split[], policies: readonly PolicyView[]): Split[] {
  return splits.map((split) => {
    const service = split.destination.replace(/:\w+$/, '');
    const wanted = policies
      .filter((policy) => actsOn(policy, { service }))
      .flatMap(({ shares }) => shares)
      .find((share) => share.route === split.route && isBackend(share, split, service));
    return wanted === undefined ? split : { ...split, wanted: wanted.share };
  });
}

type Wanted = PolicyView['shares'][number];

/** Proxies name a backend `<namespace>/<name>:<port>` with the labels of its pods behind it. */
function isBackend({ service: named, labels }: Wanted, { backend }: Split, dialled: string): boolean {
  const [, service = '', chosen = ''] = /^([^:]+):\w+(\{.*\})?$/.exec(backend) ?? [];
  return service === (named === '' ? dialled : named) && chosen === labels;
}
