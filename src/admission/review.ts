import { MeshError } from '../base/index.js';
import { z } from 'zod';

/** The part of an admission request that our handlers read. */
export interface AdmissionRequest {
  readonly uid: string;
  readonly operation: string;
  /** Namespace of the object; empty for cluster-scoped ones. */
  readonly namespace: string;
  readonly resource: { readonly group: string; readonly version: string; readonly resource: string };
  /** Not read yet: each handler parses its own kind. */
  readonly object: unknown;
}

/** One RFC 6902 operation, of those that we use. */
export type Operation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

/** What a handler decided. */
export type Outcome =
  | { readonly kind: 'allowed' }
  | {
      readonly kind: 'patched';
      readonly operations: readonly Operation[];
      /** What whoever creates the object should know, a sentence each. */
      readonly warnings: readonly string[];
    }
  | { readonly kind: 'denied'; readonly message: string }
  | { readonly kind: 'errored'; readonly status: number; readonly message: string };

/** A webhook without its transport. `signal` aborts when the answer would come too late. */
export type Handler = (request: AdmissionRequest, signal: AbortSignal) => Promise<Outcome> | Outcome;

/** The object passes as it is. */
export function allowed(): Outcome {
  return { kind: 'allowed' };
}

/** The object passes, changed by these operations; none means unchanged. */
export function patched(operations: readonly Operation[], warnings: readonly string[] = []): Outcome {
  return operations.length === 0 ? allowed() : { kind: 'patched', operations, warnings };
}

/** The object is refused; the message tells its author what was wrong and what to do. */
export function denied(message: string): Outcome {
  return { kind: 'denied', message };
}

/** No decision could be made; `status` is the HTTP status that the API server's client sees. */
export function errored(status: number, message: string): Outcome {
  return { kind: 'errored', status, message };
}

/** The answer to a review, as it goes over the wire. */
export interface AdmissionReview {
  readonly apiVersion: 'admission.k8s.io/v1';
  readonly kind: 'AdmissionReview';
  readonly response: {
    readonly uid: string;
    readonly allowed: boolean;
    readonly status?: { readonly code: number; readonly message: string };
    readonly patchType?: 'JSONPatch';
    /** Base64 of the JSON Patch. */
    readonly patch?: string;
    readonly warnings?: readonly string[];
  };
}

export interface Answer {
  readonly outcome: Outcome;
  readonly review: AdmissionReview;
}

const reviewShape = z.looseObject({
  apiVersion: z.literal('admission.k8s.io/v1'),
  kind: z.literal('AdmissionReview'),
  request: z.looseObject({
    uid: z.string().min(1),
    operation: z.string(),
    namespace: z.string().default(''),
    resource: z.looseObject({ group: z.string(), version: z.string(), resource: z.string() }),
    object: z.unknown(),
  }),
});

const uidShape = z.looseObject({ request: z.looseObject({ uid: z.string() }) });

/**
 * Answers a review. Whatever happens, the answer is a review that carries the request's uid: a body of another shape,
 * a throw and a handler that takes longer than `deadlineMs` are refusals that say so.
 */
export async function answerReview(body: unknown, handler: Handler, deadlineMs: number): Promise<Answer> {
  const parsed = reviewShape.safeParse(body);
  if (!parsed.success) {
    const problem = z.prettifyError(parsed.error);
    return answer(
      uidOf(body),
      errored(400, `this is not an AdmissionReview of admission.k8s.io/v1: ${problem}`),
    );
  }
  return answer(parsed.data.request.uid, await outcomeOf(parsed.data.request, handler, deadlineMs));
}

/** The answer to a body that is not even JSON, or too long to be read: it has no uid to give back. */
export function answerUnreadable(status: number, problem: string): Answer {
  return answer('', errored(status, problem));
}

function uidOf(body: unknown): string {
  const parsed = uidShape.safeParse(body);
  return parsed.success ? parsed.data.request.uid : '';
}

async function outcomeOf(request: AdmissionRequest, handler: Handler, deadlineMs: number): Promise<Outcome> {
  const deadline = new AbortController();
  const late = Promise.withResolvers<Outcome>();
  const timer = setTimeout(() => {
    deadline.abort();
    late.resolve(errored(504, `no decision within ${deadlineMs} ms; try again`));
  }, deadlineMs);
  try {
    return await Promise.race([handler(request, deadline.signal), late.promise]);
  } catch (thrown) {
    const error = MeshError.from(thrown);
    return errored(error.code === 'invalid' ? 400 : 500, error.message);
  } finally {
    clearTimeout(timer);
  }
}

/** The API server cuts a warning at 256 characters, and all warnings of a request at 4 KB. */
const MAX_WARNING = 256;
const MAX_WARNINGS = 8;

function answer(uid: string, outcome: Outcome): Answer {
  const response = { uid, ...responseOf(outcome) };
  return { outcome, review: { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response } };
}

function responseOf(outcome: Outcome): Omit<AdmissionReview['response'], 'uid'> {
  switch (outcome.kind) {
    case 'allowed':
      return { allowed: true };
    case 'patched': {
      const patch = Buffer.from(JSON.stringify(outcome.operations)).toString('base64');
      const warnings = outcome.warnings.slice(0, MAX_WARNINGS).map((text) => text.slice(0, MAX_WARNING));
      return {
        allowed: true,
        patchType: 'JSONPatch',
        patch,
        ...(warnings.length === 0 ? {} : { warnings }),
      };
    }
    case 'denied':
      return { allowed: false, status: { code: 403, message: outcome.message } };
    case 'errored':
      return { allowed: false, status: { code: outcome.status, message: outcome.message } };
  }
}
