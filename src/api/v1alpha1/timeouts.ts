import * as z from 'zod';
import { durationMs } from '../schema/duration.js';
import { duration } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';

export const timeouts = withRules(
  z.strictObject({
    request: duration.optional().meta({
      description:
        'Time from the first byte of the request to the last byte of its response, including all retries. If the caller announces a shorter deadline, that one applies. No limit by default; 0s means no limit.',
    }),
    perTry: duration.optional().meta({
      description:
        'Time for each attempt, up to the head of its response. No limit by default; 0s means no limit.',
    }),
    connect: duration.optional().meta({
      description:
        'Time until a connection to an endpoint is open, including its TLS handshake; after that another endpoint is tried. By default, and with 0s, connecting and the handshake may take 1s each.',
    }),
    idle: duration.optional().meta({
      description:
        'Longest silence: time without a byte of the request or its response, or on an upgraded (WebSocket) or opaque connection. No limit by default; 0s means no limit.',
    }),
    stream: duration.optional().meta({
      description:
        'How long an upgraded (WebSocket) or opaque connection may last; `request` does not limit these. No limit by default; 0s means no limit.',
    }),
  }),
  {
    cel: "!has(self.request) || !has(self.perTry) || duration(self.request) == duration('0s') || duration(self.perTry) <= duration(self.request)",
    message: 'a try cannot take longer than the request; lower perTry',
    field: '.perTry',
    holds: ({ request, perTry }) => {
      const [whole, one] = [durationMs(request ?? ''), durationMs(perTry ?? '')];
      return whole === undefined || one === undefined || whole === 0 || one <= whole;
    },
  },
  {
    cel: "!has(self.connect) || duration(self.connect) <= duration('1m')",
    message: 'is longer than a minute; lower it',
    field: '.connect',
    holds: ({ connect }) => (durationMs(connect ?? '') ?? 0) <= 60_000,
  },
);
