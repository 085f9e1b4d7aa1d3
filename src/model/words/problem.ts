/** Something wrong with a policy, in the words of the status condition that it turns False. */
export interface Problem {
  readonly condition: 'Accepted' | 'ResolvedRefs';
  readonly reason:
    | 'Invalid'
    | 'UnsupportedValue'
    | 'TooLarge'
    | 'BelowMinimum'
    | 'Conflicted'
    | 'TargetNotFound'
    | 'BackendNotFound'
    | 'RefNotPermitted'
    | 'RoleNotFound'
    | 'IssuerNotFound'
    | 'InvalidCACertificateRef'
    | 'KeysSkipped'
    | 'KeysMissing'
    | 'KeysStale';
  /** Field of the object, such as `spec.routes[0].split[1].service`. */
  readonly field: string;
  /** What is wrong and what to do, for a person. */
  readonly message: string;
}

/** Content of a status condition. */
export interface Verdict {
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
}
