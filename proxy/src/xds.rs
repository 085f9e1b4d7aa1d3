//! The configuration stream: delta discovery over mutual TLS, decoded, applied, kept for a restart.

mod client;
pub mod decode;
mod keep;
mod stream;

pub use client::{Client, Link};
