/** Whether a caller may call a Service: with any request, with some, or not at all. */
export type May = 'all' | 'some' | 'none';

export interface AccessCell {
  readonly may: May;
  /** A binding allows it, not the default. */
  readonly granted: boolean;
  /** Who said so, for a person: bindings, a mode, the default. */
  readonly by: string;
}

/** Stands for a caller that proved no identity, as in edges. */
export const PLAIN_CALLER = '';
/** Stands for an identity of the mesh that nothing is said about. */
export const OTHER_CALLER = '*';

/** Who may call the Services of a namespace, as `GET /api/access` answers it. */
export interface AccessView {
  readonly namespace: string;
  /** Names of Services that have pods. */
  readonly services: readonly string[];
  /** SPIFFE identities, and the two that stand for others. */
  readonly callers: readonly string[];
  /** By caller, then by Service. */
  readonly cells: readonly (readonly AccessCell[])[];
  /** What holds where no binding decides. */
  readonly byDefault: string;
  /** What is not judged here, or was not to be read. */
  readonly notes: readonly string[];
}
