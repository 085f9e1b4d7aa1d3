import { hash } from 'node:crypto';
import { type DescMessage, type MessageShape, toBinary } from '@bufbuild/protobuf';

/** A resource as it goes over the wire. Equal content has equal bytes, and so an equal version. */
export interface EncodedResource {
  readonly typeUrl: string;
  readonly bytes: Uint8Array;
  /** Hash of the bytes: the same on every replica and after a restart. */
  readonly version: string;
}

export function encode<D extends DescMessage>(schema: D, message: MessageShape<D>): EncodedResource {
  const bytes = toBinary(schema, message);
  const version = hash('sha256', bytes, 'base64url').slice(0, 22);
  return { typeUrl: `type.weft.dev/${schema.typeName}`, bytes, version };
}
