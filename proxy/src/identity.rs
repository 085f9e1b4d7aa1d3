//! Who this workload is: its SPIFFE identity, its key and certificate, and the roots it trusts.

mod authority;
mod bundle;
mod certs;
mod due;
mod keep;
mod mounted;
mod renewal;
mod skew;
mod spiffe;

pub use authority::{CertifyClient, CertifyError};
pub use bundle::{Bundle, BundleError};
pub use certs::{CertError, CertState, Certs};
#[cfg(test)]
pub(crate) use keep::pem;
pub use renewal::{Renewal, obtain};
pub use spiffe::{SpiffeId, SpiffeIdError};

#[cfg(test)]
mod tests;
