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
  readonly resources: readonly { readonly name: string; readonly body: Uint8Array }[];
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

/** A `DeltaDiscoveryResponse` in parts that belong one after the other. */
export function encodeResponse(response: DeltaResponse): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (const { name, body } of response.resources) {
    const suffix = new BinaryWriter().tag(Resource.name, WireType.LengthDelimited).string(name).finish();
    const prefix = new BinaryWriter()
      .tag(Response.resources, WireType.LengthDelimited)
      .uint32(body.length + suffix.length)
      .finish();
    parts.push(prefix, body, suffix);
  }
  const rest = new BinaryWriter()
    .tag(Response.typeUrl, WireType.LengthDelimited)
    .string(response.typeUrl)
    .tag(Response.nonce, WireType.LengthDelimited)
    .string(response.nonce);
  for (const name of response.removed)
    rest.tag(Response.removedResources, WireType.LengthDelimited).string(name);
  parts.push(rest.finish());
  return parts;
}
