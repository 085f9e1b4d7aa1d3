import {
  fromBinary,
  toBinary,
  create,
  type DescMessage,
  type DescMethodBiDiStreaming,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import type { Call, Method, Receiver, ResponseStream } from './call.js';
import { GrpcCode, GrpcError } from './status.js';

/** What a streaming handler is told. `message` may throw a `GrpcError`: the call ends with it. */
export interface BidiReceiver<I> {
  message(request: I): void;
  /** The peer takes messages again after `send` returned false. */
  writable(): void;
  /** The client has sent its last message; answer what is due and `finish`. */
  halfClosed(): void;
}

/** A method with one request and one response. The handler's signal is `call.signal`. */
export function unary<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  handle: (request: MessageShape<I>, call: Call) => Promise<MessageInitShape<O>>,
): Method {
  return {
    path: pathOf(method),
    open: (call) =>
      new UnaryReceiver(call, async (bytes) => {
        const answer = await handle(decode(method.input, bytes), call);
        return toBinary(method.output, create(method.output, answer));
      }),
  };
}

/**
 * A method with a stream each way. Requests arrive decoded; responses leave as bytes, so that a response which many
 * streams share is encoded once.
 */
export function bidi<I extends DescMessage, O extends DescMessage>(
  method: DescMethodBiDiStreaming<I, O>,
  open: (call: ResponseStream) => BidiReceiver<MessageShape<I>>,
): Method {
  return {
    path: pathOf(method),
    open: (call) => {
      const receiver = open(call);
      return {
        message: (bytes) => receiver.message(decode(method.input, bytes)),
        writable: () => receiver.writable(),
        halfClosed: () => receiver.halfClosed(),
      };
    },
  };
}

/** Where a method is asked for. */
export function pathOf(method: {
  readonly name: string;
  readonly parent: { readonly typeName: string };
}): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function decode<T extends DescMessage>(schema: T, bytes: Uint8Array): MessageShape<T> {
  try {
    return fromBinary(schema, bytes);
  } catch (cause) {
    throw new GrpcError(GrpcCode.invalidArgument, `the message is not a ${schema.typeName}`, { cause });
  }
}

class UnaryReceiver implements Receiver {
  readonly #call: ResponseStream;
  readonly #answer: (request: Uint8Array) => Promise<Uint8Array>;
  #request: Uint8Array | undefined;

  constructor(call: ResponseStream, answer: (request: Uint8Array) => Promise<Uint8Array>) {
    this.#call = call;
    this.#answer = answer;
  }

  message(bytes: Uint8Array): void {
    if (this.#request !== undefined)
      throw new GrpcError(GrpcCode.invalidArgument, 'more than one message in a unary call');
    this.#request = bytes;
  }

  halfClosed(): void {
    if (this.#request === undefined)
      throw new GrpcError(GrpcCode.invalidArgument, 'a unary call without a message');
    this.#answer(this.#request).then(
      (bytes) => {
        this.#call.send([bytes]);
        this.#call.finish({ code: GrpcCode.ok, message: '' });
      },
      (thrown: unknown) => this.#call.fail(thrown),
    );
  }

  writable(): void {
    // One message: the stream buffers it.
  }
}
