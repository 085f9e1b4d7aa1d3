//! What was found out about the chains of peers, so that a peer that connects again costs no signatures of its chain: two
//! of the four signatures that either side of a handshake makes or verifies, with an issuer below the root.
//!
//! Nothing that can change is skipped. The peer proves each time that it holds the key, each certificate's time is looked
//! at each time, and what was found out lives and ends with the trust bundle it was found out under.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::Error;
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::parse_x509_certificate;

use super::config::sha256;
use crate::identity::SpiffeId;

/// Chains remembered at once; 0.2 MB. When there are more, all are verified once again.
const MOST: usize = 1024;

/// Of one trust and one direction: what may call is not what may be called.
#[derive(Debug, Default)]
pub(super) struct Verified {
    /// By the digest of all certificates of the chain.
    chains: Mutex<HashMap<[u8; 32], Known>>,
}

/// A chain that was good.
#[derive(Debug)]
struct Known {
    identity: Arc<SpiffeId>,
    /// Unix seconds at which every certificate of the chain is valid.
    valid: RangeInclusive<u64>,
}

// === impl Verified ===

impl Verified {
    /// The identity that the chain proves at `now`; `verify` finds it out, where that was not done before.
    pub(super) fn identity(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        verify: impl FnOnce() -> Result<SpiffeId, Error>,
    ) -> Result<Arc<SpiffeId>, Error> {
        let chain = || std::iter::once(leaf).chain(intermediates);
        let digest = digest(chain());
        if let Some(known) = self.chains().get(&digest)
            && known.valid.contains(&now.as_secs())
        {
            return Ok(known.identity.clone());
        }
        let identity = Arc::new(verify()?);
        if let Some(valid) = validity(chain()) {
            let mut chains = self.chains();
            if chains.len() >= MOST {
                chains.clear();
            }
            chains.insert(digest, Known { identity: identity.clone(), valid });
        }
        Ok(identity)
    }

    fn chains(&self) -> MutexGuard<'_, HashMap<[u8; 32], Known>> {
        // No panic can leave the map half changed.
        self.chains.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lengths stand between the certificates, so that no two chains give the same bytes.
fn digest<'a>(chain: impl Iterator<Item = &'a CertificateDer<'a>>) -> [u8; 32] {
    let mut bytes = Vec::with_capacity(2048);
    for certificate in chain {
        bytes.extend_from_slice(&certificate.len().to_be_bytes());
        bytes.extend_from_slice(certificate);
    }
    sha256(&bytes)
}

/// When all of them are valid; `None`: never, or before 1970.
pub(crate) fn validity<'a>(
    chain: impl Iterator<Item = &'a CertificateDer<'a>>,
) -> Option<RangeInclusive<u64>> {
    let mut all = 0..=u64::MAX;
    for certificate in chain {
        let (_, certificate) = parse_x509_certificate(certificate).ok()?;
        let validity = certificate.validity();
        let from = u64::try_from(validity.not_before.timestamp()).ok()?;
        let to = u64::try_from(validity.not_after.timestamp()).ok()?;
        all = from.max(*all.start())..=to.min(*all.end());
    }
    (!all.is_empty()).then_some(all)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::{Duration, SystemTime};

    use rustls::CertificateError;

    use super::*;
    use crate::test_util::{TestCa, hour_around_now};

    fn at(seconds_from_now: i64) -> UnixTime {
        let now = UnixTime::now().as_secs();
        UnixTime::since_unix_epoch(Duration::from_secs(now.saturating_add_signed(seconds_from_now)))
    }

    #[test]
    fn a_chain_is_verified_once_until_one_of_its_certificates_ends() {
        let ca = TestCa::new("cluster.local");
        let (web, verified, asked) = (ca.id("shop", "web"), Verified::default(), Cell::new(0));
        let (long, _) = ca.issue(&[web.as_str()], hour_around_now());
        let now = SystemTime::now();
        let (short, _) =
            ca.issue(&[web.as_str()], (now - Duration::from_secs(60), now + Duration::from_secs(60)));
        let identity = |leaf: &CertificateDer<'_>, above: &[CertificateDer<'_>], now| {
            verified.identity(leaf, above, now, || {
                asked.set(asked.get() + 1);
                Ok(web.clone())
            })
        };
        for _ in 0..3 {
            assert_eq!(*identity(&long[0], &[], at(0)).unwrap(), web);
        }
        assert_eq!(asked.get(), 1);
        // The same leaf below another certificate, whose end is that of the chain.
        for (seconds, verifications) in [(0, 2), (55, 2), (65, 3), (-65, 4), (0, 4)] {
            identity(&long[0], &short[..1], at(seconds)).unwrap();
            assert_eq!(asked.get(), verifications, "{seconds} s from now");
        }
    }

    #[test]
    fn what_was_refused_is_asked_again_and_a_changed_certificate_is_another() {
        let ca = TestCa::new("cluster.local");
        let (web, verified) = (ca.id("shop", "web"), Verified::default());
        let (chain, _) = ca.issue(&[web.as_str()], hour_around_now());
        let refused = || Err(Error::InvalidCertificate(CertificateError::BadSignature));
        verified.identity(&chain[0], &[], at(0), refused).unwrap_err();
        verified.identity(&chain[0], &[], at(0), || Ok(web.clone())).unwrap();
        for byte in 0..chain[0].len() {
            let mut forged = chain[0].to_vec();
            forged[byte] ^= 1;
            verified.identity(&forged.into(), &[], at(0), refused).unwrap_err();
        }
        // The same bytes, cut elsewhere.
        let (front, back) = chain[0].split_at(100);
        verified.identity(&front.to_vec().into(), &[back.to_vec().into()], at(0), refused).unwrap_err();
    }

    #[test]
    fn so_many_chains_are_remembered_and_no_more() {
        let ca = TestCa::new("cluster.local");
        let (web, verified) = (ca.id("shop", "web"), Verified::default());
        let (chain, _) = ca.issue(&[web.as_str()], hour_around_now());
        let other = ca.issue(&[web.as_str()], hour_around_now()).0;
        for count in 0..=MOST {
            let above: Vec<_> = (0..11).map(|bit| [&chain, &other][count >> bit & 1][0].clone()).collect();
            verified.identity(&chain[0], &above, at(0), || Ok(web.clone())).unwrap();
        }
        assert_eq!(verified.chains().len(), 1);
    }
}
