//! What the composition root can fail with. Rooms have errors of their own; they meet here and nowhere else.

/// Why the proxy ends with a failure.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// A part that must live as long as the process ended; going on without it would be a silent half-proxy.
    #[error("{part} ended: {reason}")]
    PartEnded {
        /// The part, as logs name it.
        part: &'static str,
        /// What it said when it ended.
        reason: String,
    },
}
