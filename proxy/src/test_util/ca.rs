//! An identity authority made on the spot: root, issuer, leafs.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType, SignatureAlgorithm,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::{certification_request::X509CertificationRequest, prelude::FromDer};

use crate::{
    identity::{CertState, Certs, SpiffeId},
    tls::Trust,
};

/// Root and issuer of a mesh.
pub struct TestCa {
    root: rcgen::Certificate,
    issuer_cert: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
    trust_domain: String,
}

/// The public key of a request.
struct RequestedKey(Vec<u8>);

// === impl TestCa ===

impl TestCa {
    pub fn new(trust_domain: &str) -> Self {
        let root_key = KeyPair::generate().unwrap();
        let root_params = authority(1);
        let root = root_params.self_signed(&root_key).unwrap();
        let root_issuer = Issuer::new(root_params, root_key);
        let issuer_key = KeyPair::generate().unwrap();
        let issuer_params = authority(0);
        let issuer_cert = issuer_params.signed_by(&issuer_key, &root_issuer).unwrap();
        let issuer = Issuer::new(issuer_params, issuer_key);
        Self { root, issuer_cert, issuer, trust_domain: trust_domain.to_owned() }
    }

    /// `spiffe://<trust domain>/ns/<namespace>/sa/<account>`
    pub fn id(&self, namespace: &str, account: &str) -> SpiffeId {
        SpiffeId::new(&self.trust_domain, namespace, account)
    }

    /// The trust bundle file.
    pub fn bundle_pem(&self) -> String {
        self.root.pem()
    }

    /// What this mesh trusts.
    pub fn trust(&self) -> Arc<Trust> {
        Arc::new(Trust::new(vec![self.root.der().clone()], &self.trust_domain).unwrap())
    }

    /// A certificate in use for `namespace`/`account`, valid for an hour.
    pub fn certs(&self, namespace: &str, account: &str) -> Certs {
        Certs::fixed(self.state(&self.id(namespace, account), hour_around_now(), self.trust()))
    }

    /// A certificate in use, of any life and under any trust.
    pub fn state(&self, id: &SpiffeId, life: (SystemTime, SystemTime), trust: Arc<Trust>) -> CertState {
        let (chain, key) = self.issue(&[id.as_str()], life);
        CertState::new(Arc::new(id.clone()), chain, key, trust).unwrap()
    }

    /// A chain and key with `uris` as URI names.
    pub fn issue(
        &self,
        uris: &[&str],
        life: (SystemTime, SystemTime),
    ) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let leaf = leaf(uris, life).signed_by(&key, &self.issuer).unwrap();
        (self.chain(&leaf), PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }

    /// Answers a PKCS#10 request, naming `id` whatever the request names.
    pub fn certify(
        &self,
        csr: &[u8],
        id: &SpiffeId,
        life: (SystemTime, SystemTime),
    ) -> Vec<CertificateDer<'static>> {
        let (_, request) = X509CertificationRequest::from_der(csr).unwrap();
        let spki = &request.certification_request_info.subject_pki;
        let key = RequestedKey(spki.subject_public_key.data.to_vec());
        self.chain(&leaf(&[id.as_str()], life).signed_by(&key, &self.issuer).unwrap())
    }

    fn chain(&self, leaf: &rcgen::Certificate) -> Vec<CertificateDer<'static>> {
        vec![leaf.der().clone(), self.issuer_cert.der().clone()]
    }
}

fn authority(path_len: u8) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_len));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(rcgen::DnType::OrganizationName, format!("weft test {path_len}"));
    params
}

fn leaf(uris: &[&str], (not_before, not_after): (SystemTime, SystemTime)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.not_before = not_before.into();
    params.not_after = not_after.into();
    params.subject_alt_names = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// From half an hour ago to half an hour from now.
pub fn hour_around_now() -> (SystemTime, SystemTime) {
    let half = Duration::from_secs(1800);
    (SystemTime::now() - half, SystemTime::now() + half)
}

impl PublicKeyData for RequestedKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}
