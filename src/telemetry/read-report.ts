import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { GrpcCode, GrpcError } from '../grpc/index.js';

/** What a proxy said, read once at the edge; nothing of it is believed yet. */
export interface Report {
  readonly podUid: string;
  readonly edges: readonly RawEdge[];
  readonly counts: readonly RawCount[];
  readonly coversMs: number;
}

export interface RawEdge {
  direction: number;
  destination: string;
  backend: string;
  route: string;
  peer: string;
  tls: number;
  rule: string;
}

export interface RawCount {
  edge: number;
  /** Pairs of a measure and how much it grew. */
  grown: readonly number[];
  open: number;
}

/** Reads a `ReportRequest` by hand, since thousands of proxies send one every few seconds. A test compares the two. */
export function readReport(bytes: Uint8Array): Report {
  const report = { podUid: '', edges: [], counts: [], coversMs: 0 };
  try {
    readInto(report, new BinaryReader(bytes));
  } catch (cause) {
    throw new GrpcError(GrpcCode.invalidArgument, 'the message is not a ReportRequest', { cause });
  }
  return report;
}

interface Draft {
  podUid: string;
  readonly edges: RawEdge[];
  readonly counts: RawCount[];
  coversMs: number;
}

function readInto(report: Draft, reader: BinaryReader): void {
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    const hasBytes = type === WireType.LengthDelimited;
    if (field === 1 && hasBytes) report.podUid = reader.string();
    else if (field === 2 && hasBytes) report.edges.push(readEdge(reader.bytes()));
    else if (field === 3 && hasBytes) report.counts.push(readCount(reader.bytes()));
    else if (field === 4 && type === WireType.Varint) report.coversMs = reader.uint32();
    else reader.skip(type, field);
  }
}

const TEXTS = { 2: 'destination', 3: 'backend', 4: 'route', 5: 'peer', 7: 'rule' } as const;
const NUMBERS = { 1: 'direction', 6: 'tls' } as const;

function readEdge(bytes: Uint8Array): RawEdge {
  const edge = { direction: 0, destination: '', backend: '', route: '', peer: '', tls: 0, rule: '' };
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field in TEXTS && type === WireType.LengthDelimited)
      edge[TEXTS[field as keyof typeof TEXTS]] = reader.string();
    else if (field in NUMBERS && type === WireType.Varint)
      edge[NUMBERS[field as keyof typeof NUMBERS]] = reader.uint32();
    else reader.skip(type, field);
  }
  return edge;
}

function readCount(bytes: Uint8Array): RawCount {
  const count: RawCount = { edge: 0, grown: [], open: 0 };
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 1 && type === WireType.Varint) count.edge = reader.uint32();
    else if (field === 2 && type === WireType.LengthDelimited) count.grown = readNumbers(reader.bytes());
    else if (field === 3 && type === WireType.Varint) count.open = reader.uint32();
    else reader.skip(type, field);
  }
  return count;
}

/** Packed numbers of up to 64 bits. What exceeds a double's whole numbers is far beyond any bound, and stays so. */
function readNumbers(bytes: Uint8Array): number[] {
  const numbers: number[] = [];
  let [value, factor] = [0, 1];
  for (const byte of bytes) {
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) {
      numbers.push(value);
      [value, factor] = [0, 1];
    } else factor *= 128;
    if (factor > 2 ** 63) throw new RangeError('a number is longer than 64 bits');
  }
  if (factor > 1) throw new RangeError('a number breaks off');
  return numbers;
}
