import { MeshError } from '../../base/index.js';
import type { KubeClient } from '../../kube/index.js';
import { Replicas, type SeenEdge } from '../../telemetry/index.js';
import { plural } from '../page.js';

/** What control planes remember of the last half hour. */
export interface Remembered {
  readonly edges: readonly SeenEdge[];
  /** Minutes of which anything is known; 0: nothing is. */
  readonly minutes: number;
  /** Minutes of which only some replicas know, so that there may have been more. */
  readonly partial: number;
  /** Why something is missing, a line each. */
  readonly notes: readonly string[];
}

/** Asks the replicas. That they cannot say is a note: what a change would do is known without them. */
export async function remember(client: KubeClient, systemNamespace: string): Promise<Remembered> {
  try {
    const { minutes, partial, notes } = await new Replicas(client, systemNamespace).minutes();
    const known = minutes.filter((edges) => edges !== undefined);
    const parts = partial.filter(Boolean).length;
    return {
      edges: known.flat(),
      minutes: known.length,
      partial: parts,
      notes: [...notes, ...lack(known.length, parts)],
    };
  } catch (thrown) {
    const note = `how many requests it would touch is not known: ${MeshError.from(thrown).message}`;
    return { edges: [], minutes: 0, partial: 0, notes: [note] };
  }
}

/** A number that is too low looks like a harmless change. */
function lack(known: number, parts: number): readonly string[] {
  if (known === 0)
    return ['how many requests it would touch is not known: no control plane has run for a minute'];
  if (parts === 0) return [];
  return [
    `of ${plural(parts, 'minute')} not every replica of the control plane can tell: there may have been more requests than are counted`,
  ];
}
