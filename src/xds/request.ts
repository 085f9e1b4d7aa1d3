import { fromBinary } from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { GrpcCode, GrpcError } from '../grpc/index.js';
import { StatusSchema, type Status } from '../wire/gen/google/rpc/status_pb.js';
import { RejectsSchema, type Rejects } from '../wire/gen/weft/v1/reject_pb.js';
import type { RejectReason } from './subscription.js';

/** What a proxy said, read once at the edge. */
export interface DeltaRequest {
  /** Uid of the pod; in the first request of a stream only. */
  readonly node: string;
  /** Fingerprints of the roots that the proxy trusts; in the first request of a stream only, from proxies that tell. */
  readonly roots: readonly string[];
  readonly typeUrl: string;
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  /** Name to version of what the proxy holds already; only counts in the first request of a type. */
  readonly initialVersions: ReadonlyMap<string, string>;
  /** The response this one answers; empty: none. */
  readonly nonce: string;
  /** Set on a NACK. */
  readonly error?: RejectedResponse;
}

export interface RejectedResponse {
  /** For resources of the response that `rejects` leaves out, if it leaves all out. */
  readonly whole: Rejected;
  /** By the name of the resource. Empty: the proxy did not say which, so it was all of them. */
  readonly byName: ReadonlyMap<string, Rejected>;
}

/** Why a resource was rejected. */
export interface Rejected {
  readonly reason: RejectReason;
  /** The proxy's own words, short and without control characters: for the log, never for a status. */
  readonly words: string;
}

interface Draft {
  node: string;
  roots: readonly string[];
  typeUrl: string;
  nonce: string;
  readonly subscribe: string[];
  readonly unsubscribe: string[];
  readonly initialVersions: Map<string, string>;
  error?: RejectedResponse;
}

/** By field number of `DeltaDiscoveryRequest`; each has bytes. */
const FIELDS: Readonly<Record<number, (draft: Draft, reader: BinaryReader) => void>> = {
  1: (draft, reader) => {
    const { id, roots } = readNode(reader.bytes());
    draft.node = id;
    draft.roots = roots;
  },
  2: (draft, reader) => {
    draft.typeUrl = reader.string();
  },
  3: (draft, reader) => draft.subscribe.push(reader.string()),
  4: (draft, reader) => draft.unsubscribe.push(reader.string()),
  5: (draft, reader) => {
    const entry = readTexts(reader.bytes());
    draft.initialVersions.set(entry.get(1) ?? '', entry.get(2) ?? '');
  },
  6: (draft, reader) => {
    draft.nonce = reader.string();
  },
  7: (draft, reader) => {
    draft.error = readError(fromBinary(StatusSchema, reader.bytes()));
  },
};

/**
 * Reads a `DeltaDiscoveryRequest` by hand: a proxy acknowledges every change, and a general reader costs several times
 * what is done with it. A test compares the two.
 */
export function readRequest(bytes: Uint8Array): DeltaRequest {
  const draft: Draft = {
    node: '',
    roots: [],
    typeUrl: '',
    nonce: '',
    subscribe: [],
    unsubscribe: [],
    initialVersions: new Map(),
  };
  try {
    eachField(bytes, (field, reader) => {
      const read = FIELDS[field];
      if (read === undefined) return false;
      read(draft, reader);
      return true;
    });
  } catch (cause) {
    throw new GrpcError(GrpcCode.invalidArgument, 'the message is not a DeltaDiscoveryRequest', { cause });
  }
  return draft;
}

/** Visits the fields that have bytes; where `visit` answers false, and for others, the field is passed by. */
function eachField(bytes: Uint8Array, visit: (field: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (type !== WireType.LengthDelimited || !visit(field, reader)) reader.skip(type, field);
  }
}

const ROOT_FEATURE = /^dev\.weft\.root\.([0-9a-f]{64})$/;
/** A bundle has two while a root is replaced. */
const MAX_ROOTS = 16;

function readNode(bytes: Uint8Array): { readonly id: string; readonly roots: readonly string[] } {
  let id = '';
  const roots: string[] = [];
  eachField(bytes, (field, reader) => {
    if (field !== 1 && field !== 10) return false;
    const text = reader.string();
    if (field === 1) id = text;
    const root = field === 10 ? ROOT_FEATURE.exec(text)?.[1] : undefined;
    if (root !== undefined && roots.length < MAX_ROOTS) roots.push(root);
    return true;
  });
  return { id, roots };
}

/** The texts of a small message, by field number. */
function readTexts(bytes: Uint8Array): ReadonlyMap<number, string> {
  const texts = new Map<number, string>();
  eachField(bytes, (field, reader) => {
    if (field > 2) return false;
    texts.set(field, reader.string());
    return true;
  });
  return texts;
}

const REJECTS = /(^|\/)weft\.v1\.Rejects$/;

function readError(status: Status): RejectedResponse {
  const byName = new Map<string, Rejected>();
  for (const detail of status.details) {
    if (!REJECTS.test(detail.typeUrl)) continue;
    for (const { resource, reason } of readRejects(detail.value)?.rejects ?? [])
      byName.set(resource, readReason(reason));
  }
  return { whole: readReason(status.message), byName };
}

/** How a proxy says that it does not know a critical feature: another version of Weft made the resource. */
const UNKNOWN_FEATURE = /^critical feature\b/;

function readReason(text: string): Rejected {
  return { reason: UNKNOWN_FEATURE.test(text) ? 'UnknownFeature' : 'Invalid', words: plain(text) };
}

/** Details that do not decode name nothing: the whole response counts as rejected then. */
function readRejects(bytes: Uint8Array): Rejects | undefined {
  try {
    return fromBinary(RejectsSchema, bytes);
  } catch {
    return undefined;
  }
}

/** Text from a proxy ends up in the log: short, and no control characters. */
function plain(text: string): string {
  return (
    text
      .slice(0, 256)
      .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ')
      .trim() || 'no reason given'
  );
}
