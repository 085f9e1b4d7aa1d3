//! What the first bytes of a connection say.

use crate::detect::Sniffed;

#[derive(Debug)]
pub(super) struct Said {
    pub(super) sniffed: Sniffed,
    /// What its TLS asks for, where routes want to know.
    pub(super) server_name: Option<String>,
    /// It is TLS of the caller's own, as far as that matters: servers are known to expect TLS.
    pub(super) own_tls: bool,
}

// === impl Said ===

impl Said {
    pub(super) fn only(sniffed: Sniffed) -> Self {
        Self { sniffed, server_name: None, own_tls: false }
    }
}
