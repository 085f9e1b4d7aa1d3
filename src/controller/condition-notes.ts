import type { CustomObject, EventNote } from '../kube/index.js';

/** Reasons of conditions that pass by themselves, or that another condition of the same policy explains. */
const QUIET: ReadonlySet<string> = new Set(['Pending', 'NotAccepted']);

/** One note for each condition that is False and about the generation that is stored. */
export function conditionNotes({ metadata, conditions }: CustomObject): EventNote[] {
  return conditions
    .filter(({ status, reason }) => status === 'False' && !QUIET.has(reason))
    .filter(({ observedGeneration }) => observedGeneration === metadata.generation)
    .map(({ reason, message }) => ({ type: 'Warning', reason, message }));
}
