import { create } from '@bufbuild/protobuf';
import type { LogChoice, PodAccessLog } from '../../model/index.js';
import {
  AccessLogSchema,
  AccessLog_Format as Format,
  type AccessLog as WireAccessLog,
} from '../../wire/gen/weft/v1/workload_pb.js';
import {
  LogChoiceSchema,
  LogChoice_Mode as Mode,
  type LogChoice as WireLogChoice,
} from '../../wire/gen/weft/v1/destination_pb.js';
import { toWireCollector } from './collector.js';
import { millionths } from './millionths.js';

/** What a pod logs as the message of the wire contract. */
export function toWireAccessLog({
  format,
  omit,
  requestHeaders,
  collector,
  silent,
  ...choice
}: PodAccessLog): WireAccessLog {
  return create(AccessLogSchema, {
    choice: toWireLogChoice(choice),
    format: format === 'text' ? Format.TEXT : Format.JSON,
    omit: [...omit],
    requestHeaders: [...requestHeaders],
    ...(collector === undefined ? {} : { collector: toWireCollector(collector) }),
    silent,
  });
}

const MODES = { off: Mode.OFF, all: Mode.ALL, selected: Mode.SELECTED };

/** Which requests are logged, as the message of the wire contract. */
export function toWireLogChoice({ mode, select, removeQuery }: LogChoice): WireLogChoice {
  const { errors = false, denied = false, slowerThanMs, sampling } = select ?? {};
  return create(LogChoiceSchema, {
    mode: MODES[mode],
    errors,
    denied,
    ...(slowerThanMs === undefined ? {} : { slowerThanMs }),
    ...(sampling === undefined ? {} : { sampling: millionths(sampling) }),
    removeQuery,
  });
}
