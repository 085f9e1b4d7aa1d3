//! The whole path in process: a caller's proxy, a receiver's proxy, mutual TLS with certificates made on the spot, and
//! real sockets. Only the redirect is missing: [`OriginalDst::Fixed`] stands in for it.

mod access_log;
mod app;
mod balance;
mod bytes;
mod cors;
mod deadline;
mod ejection;
mod failure;
mod fault;
mod forwarding;
mod grpc;
mod h2spec;
mod harness;
mod hedging;
mod http1;
mod http2;
mod idle;
mod ingress;
mod limits;
mod mirror;
mod recorder;
mod retry;
mod routing;
mod script;
mod session;
mod smuggling;
mod timeouts;
