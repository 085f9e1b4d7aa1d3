import type { AskedService, ServiceToAsk } from './asked-service.js';

/** Somebody else who is asked whether requests may reach the pods of a Service, with every default filled in. */
export interface ExternalCheck {
  /** Who is asked; absent where that could not be read, and then nothing passes. */
  readonly service?: ServiceToAsk;
  readonly timeoutMs: number;
  /** What becomes of a request without a usable answer. */
  readonly onFailure: 'deny' | 'allow';
  /** In lower case: headers that are told; empty: all, and over HTTP only what is always told there. */
  readonly allowedHeaders: readonly string[];
  /** Set: it is asked over HTTP. */
  readonly http?: CheckOverHttp;
  /** Set: it is told of the body. */
  readonly body?: CheckedBody;
  /** Requests that nobody is asked about. */
  readonly exempt: readonly Exemption[];
  /** Only count what would be refused. */
  readonly dryRun: boolean;
}

/** How a question and its answer look as plain HTTP; names of headers are in lower case. */
export interface CheckOverHttp {
  /** Stands before the path: empty, or begins with a slash and does not end with one. */
  readonly prefix: string;
  /** Headers of a yes that replace those of the request. */
  readonly toApplication: readonly string[];
  /** Headers of a no that the caller sees; empty: all. */
  readonly toCaller: readonly string[];
}

export interface CheckedBody {
  readonly maxBytes: number;
  readonly onTooLong: 'deny' | 'sendPartial';
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
