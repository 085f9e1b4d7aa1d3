import type { AskedService, ServiceToAsk } from './asked-service.js';

/** Somebody else who is asked whether requests may reach the pods of a Service, with every default filled in. */
export interface ExternalCheck {
  /** Who is asked; absent where that could not be read, and then nothing passes. */
  readonly service?: ServiceToAsk;
  readonly timeoutMs: number;
  /** What becomes of a request without a usable answer. */
  readonly onFailure: 'deny' | 'allow';
  /** In lower case: headers that are told; empty: all. */
  readonly allowedHeaders: readonly string[];
  /** Requests that nobody is asked about. */
  readonly exempt: readonly Exemption[];
  /** Only count what would be refused. */
  readonly dryRun: boolean;
}

/** All that is set must hold. */
export interface Exemption {
  readonly method?: string;
  readonly path: { readonly kind: 'exact' | 'prefix'; readonly value: string };
}

/** A check as one pod enforces it. */
export interface PodExternalCheck extends Omit<ExternalCheck, 'service'> {
  /** `<namespace>/<name>` of its policy. */
  readonly policy: string;
  /** Absent: nobody can be asked, and `onFailure` says what that means. */
  readonly asks?: AskedService;
}
