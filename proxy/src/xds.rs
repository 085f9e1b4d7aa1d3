//! The configuration stream: delta discovery over mutual TLS.
