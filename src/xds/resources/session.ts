import { create } from '@bufbuild/protobuf';
import type { Session } from '../../model/index.js';
import { type Session as WireSession, SessionSchema } from '../../wire/gen/weft/v1/destination_pb.js';

/** The field of a route that says how its sessions are kept; a lifetime is rounded up to whole seconds. */
export function toWireSession(session: Session | undefined): { session?: WireSession } {
  if (session === undefined) return {};
  const { carrier, name, lifetimeMs = 0, permanent, byPath, path } = session;
  return {
    session: create(SessionSchema, {
      carrier: { case: carrier, value: name },
      lifetimeS: Math.min(Math.ceil(lifetimeMs / 1000), 0xffff_ffff),
      permanent: permanent ?? false,
      byPath: byPath ?? false,
      path: path ?? '',
    }),
  };
}
