//! Who this workload is: its SPIFFE identity, its key and certificate, and the roots it trusts.

mod certs;
mod spiffe;

pub use certs::{CertError, CertState, Certs};
pub use spiffe::{SpiffeId, SpiffeIdError};
