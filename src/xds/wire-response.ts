import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/**
 * Responses put together from bytes that are encoded once and shared by all streams. Protobuf allows it: the fields of
 * a message may come in any order and from anywhere. Field numbers are those of `ads.proto`; a test decodes the result.
 */
const Resource = { version: 1, resource: 2, name: 3 } as const;
const AnyField = { typeUrl: 1, value: 2 } as const;
const Response = { resources: 2, typeUrl: 4, nonce: 5, removedResources: 6 } as const;

/** One answer: what has changed, and what is gone or was never there. */
export interface DeltaResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  /** Each a head of `encodeResourceHead` and the body that it was made for. */
  readonly resources: readonly { readonly head: Uint8Array; readonly body: Uint8Array }[];
  readonly removed: readonly string[];
}

/** A `Resource` without its name. */
export function encodeResourceBody(version: string, typeUrl: string, value: Uint8Array): Uint8Array {
  const any = new BinaryWriter()
    .tag(AnyField.typeUrl, WireType.LengthDelimited)
    .string(typeUrl)
    .tag(AnyField.value, WireType.LengthDelimited)
    .bytes(value)
    .finish();
  return new BinaryWriter()
    .tag(Resource.version, WireType.LengthDelimited)
    .string(version)
    .tag(Resource.resource, WireType.LengthDelimited)
    .bytes(any)
    .finish();
}

/** What stands before the body of a resource in a response: that it begins, how long it is, and its name. */
export function encodeResourceHead(name: string, bodyLength: number): Uint8Array {
  const named = new BinaryWriter().tag(Resource.name, WireType.LengthDelimited).string(name).finish();
  return new BinaryWriter()
    .tag(Response.resources, WireType.LengthDelimited)
    .uint32(named.length + bodyLength)
    .raw(named)
    .finish();
}

const typeFields = new Map<string, Uint8Array>();

/** The same bytes in every response of a type. */
function typeField(typeUrl: string): Uint8Array {
  const known = typeFields.get(typeUrl);
  if (known !== undefined) return known;
  const field = new BinaryWriter().tag(Response.typeUrl, WireType.LengthDelimited).string(typeUrl).finish();
  typeFields.set(typeUrl, field);
  return field;
}

/** A `DeltaDiscoveryResponse` in parts that belong one after the other. */
export function encodeResponse(response: DeltaResponse): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (const { head, body } of response.resources) parts.push(head, body);
  parts.push(typeField(response.typeUrl), textField(Response.nonce, response.nonce));
  for (const name of response.removed) parts.push(textField(Response.removedResources, name));
  return parts;
}

/** By hand where it is short: this is on the way of every response, and a writer costs more than all the rest. */
function textField(number: number, text: string): Uint8Array {
  const bytes = Buffer.from(text);
  if (bytes.length > 127)
    return new BinaryWriter().tag(number, WireType.LengthDelimited).string(text).finish();
  const field = new Uint8Array(2 + bytes.length);
  field[0] = (number << 3) | WireType.LengthDelimited;
  field[1] = bytes.length;
  field.set(bytes, 2);
  return field;
}
