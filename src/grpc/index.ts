/** gRPC over `node:http2`: a server that keeps control of TLS, and a small client for tests and diagnosis. */
export { startGrpcServer, type GrpcServer, type GrpcServerOptions, type ServerIdentity } from './server.js';
export { bidi, pathOf, unary } from './method.js';
export type { Call, Method, Peer, Receiver, ResponseStream } from './call.js';
export { GrpcCode, GrpcError, statusOf, type GrpcStatus } from './status.js';
export { connectGrpc, type ClientStream, type GrpcClient, type GrpcClientOptions } from './client.js';
