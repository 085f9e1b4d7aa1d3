//! Key and chain on the memory-backed volume, so that a proxy that restarts in an outage goes on under its certificate.

use std::path::{Path, PathBuf};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::authority::Issued;
use crate::files;

/// The file with key and chain.
#[derive(Debug, Clone)]
pub(crate) struct Keep {
    path: PathBuf,
}

// === impl Keep ===

impl Keep {
    /// A file in `state_dir`.
    pub(crate) fn new(state_dir: &Path) -> Self {
        Self { path: state_dir.join("identity.pem") }
    }

    /// What a former life left, if it can be read at all.
    pub(crate) fn load(&self) -> Option<Issued> {
        let pem = std::fs::read(&self.path).ok()?;
        let key = PrivateKeyDer::from_pem_slice(&pem).ok()?;
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().ok()?;
        Some(Issued { chain, key })
    }

    /// Keeps key and chain together, readable for this user only. Failing to is no reason to stop.
    pub(crate) fn store(&self, issued: &Issued) {
        let mut text = pem("PRIVATE KEY", issued.key.secret_der());
        for certificate in &issued.chain {
            text.push_str(&pem("CERTIFICATE", certificate));
        }
        if let Err(error) = files::replace(&self.path, text.as_bytes()) {
            tracing::warn!(path = %self.path.display(), %error, "certificate not kept; a restart will need the authority");
        }
    }
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    use std::fmt::Write;

    const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in der.chunks(48) {
        for group in line.chunks(3) {
            let bits =
                group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
            for place in 0..4 {
                let digit = BASE64[(bits >> (18 - 6 * place) & 63) as usize];
                text.push(if place <= group.len() { char::from(digit) } else { '=' });
            }
        }
        text.push('\n');
    }
    let _ = writeln!(text, "-----END {label}-----");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_util::{TestCa, hour_around_now};

    #[test]
    fn key_and_chain_come_back_as_they_were_and_nobody_else_can_read_them() {
        use std::os::unix::fs::PermissionsExt;

        let dir = tempfile::tempdir().unwrap();
        let keep = Keep::new(dir.path());
        assert!(keep.load().is_none());
        let (chain, key) =
            TestCa::new("cluster.local").issue(&["spiffe://cluster.local/ns/a/sa/b"], hour_around_now());
        keep.store(&Issued { chain: chain.clone(), key: key.clone_key() });
        let loaded = keep.load().unwrap();
        assert_eq!((loaded.chain, loaded.key.secret_der()), (chain, key.secret_der()));
        let mode = std::fs::metadata(&keep.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no half-written file is left");
    }

    #[test]
    fn what_is_damaged_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let keep = Keep::new(dir.path());
        std::fs::write(&keep.path, "-----BEGIN PRIVATE KEY-----\nAA").unwrap();
        assert!(keep.load().is_none());
    }
}
