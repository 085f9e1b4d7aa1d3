//! The configuration stream: delta discovery over mutual TLS, decoded, applied, kept for a restart.

mod client;
pub mod decode;
mod keep;
mod stream;

pub use client::{Client, Link};

use std::net::SocketAddr;

/// The name under which a proxy subscribes to a dialled address.
pub(crate) fn resource_name(addr: SocketAddr) -> String {
    format!("ip/{addr}")
}

/// The address a resource's name speaks of, if it is one of ours.
pub(crate) fn resource_addr(name: &str) -> Option<SocketAddr> {
    name.strip_prefix("ip/")?.parse().ok()
}
