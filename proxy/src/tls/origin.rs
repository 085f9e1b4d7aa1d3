//! TLS to servers outside the mesh, as a BackendTLSPolicy or an ExternalService asks for it: they chain to an authority that it names,
//! and prove a name that it names. Versions 1.2 and 1.3, since such servers are anybody's.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs as aws, verify_tls12_signature,
    verify_tls13_signature,
};
use rustls::server::ParsedCertificate;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, InvalidMessage,
    OtherError, RootCertStore, SignatureScheme, version,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use super::config::sha256;
use super::{BUFFER_LIMIT, ClientStream, TlsError};

/// How the servers of one name are verified.
pub struct Origin {
    /// Of all that was asked for: connections of equal ones are interchangeable.
    digest: [u8; 32],
    demand: Arc<Demand>,
    /// What they are asked for; or why nothing can be.
    name: Result<ServerName<'static>, Box<str>>,
}

/// What servers have to prove to one policy, whatever they are asked for. It is made once, and shared by all connections.
pub struct Demand {
    /// Of all that was asked for.
    digest: [u8; 32],
    kind: &'static str,
    policy: Box<str>,
    /// Or why nothing can be verified.
    configs: Result<Configs, Box<str>>,
}

/// What a policy asks for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Kind of the object that asks.
    pub kind: &'static str,
    /// Its `<namespace>/<name>`.
    pub policy: &'a str,
    /// One of these, or of the URIs, stands in the certificate; "*." and a suffix takes one label more. Where there are neither,
    /// the name stands there that the server is asked for.
    pub dns_names: &'a [String],
    /// See `dns_names`.
    pub uris: &'a [String],
    /// One of these has signed for the server. Those that are no certificates are as if they were not there.
    pub authorities: &'a [Vec<u8>],
}

/// What goes inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inside {
    /// HTTP/1.1.
    H1,
    /// HTTP/2.
    H2,
    /// Bytes, of which the server is told nothing.
    Bytes,
}

/// One for each protocol that is offered; they share what is large.
struct Configs {
    h1: Arc<ClientConfig>,
    h2: Arc<ClientConfig>,
    bytes: Arc<ClientConfig>,
}

/// Accepts the servers of one policy.
#[derive(Debug)]
struct Verifier {
    roots: Arc<RootCertStore>,
    names: Vec<Name>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// A name that a certificate may prove.
#[derive(Debug)]
enum Name {
    Dns(ServerName<'static>),
    /// What follows the `*` of a wildcard, with its dot.
    Below(Box<str>),
    Uri(Box<str>),
}

/// The server's certificate is good, and for other names.
#[derive(Debug, thiserror::Error)]
#[error("names none of the subjectAltNames that are asked for")]
struct OtherNames;

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws::default_provider()));

// === impl Demand ===

impl Demand {
    /// Compiles what a policy asks for. What cannot be used refuses every server.
    pub fn new(asked: Asked<'_>) -> Self {
        let configs = Configs::new(asked).map_err(String::into_boxed_str);
        Self { digest: asked.digest(), kind: asked.kind, policy: asked.policy.into(), configs }
    }

    /// Nothing can be verified, for a reason that is known.
    pub fn refused(kind: &'static str, policy: &str, reason: &str) -> Self {
        let parts = [b"refused".as_slice(), kind.as_bytes(), policy.as_bytes(), reason.as_bytes()];
        Self { digest: digest(parts.into_iter()), kind, policy: policy.into(), configs: Err(reason.into()) }
    }

    /// Why no server is ever accepted, whatever it is asked for, where that is so.
    pub fn refusal(&self) -> Option<&str> {
        self.configs.as_ref().err().map(|reason| &**reason)
    }

    fn error(&self, reason: String) -> TlsError {
        TlsError::Origin { kind: self.kind, policy: self.policy.clone(), reason }
    }
}

impl PartialEq for Demand {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Demand {}

impl Hash for Demand {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl fmt::Debug for Demand {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused = self.configs.as_ref().err();
        out.debug_struct("Demand").field("policy", &self.policy).field("refused", &refused).finish()
    }
}

// === impl Origin ===

impl Origin {
    /// Servers that are asked for `server_name`, and prove it where the policy asks for no other names.
    pub fn new(demand: Arc<Demand>, server_name: &str) -> Self {
        let digest = digest([demand.digest.as_slice(), server_name.as_bytes()].into_iter());
        Self { digest, demand, name: self::server_name(server_name).map_err(String::into_boxed_str) }
    }

    /// `<namespace>/<name>` of the policy.
    pub fn policy(&self) -> &str {
        &self.demand.policy
    }

    /// Why no server is ever accepted, where that is so.
    pub fn refusal(&self) -> Option<TlsError> {
        self.usable().err()
    }

    /// Handshakes over `io`. Nothing is sent before the server has proved what the policy asks for.
    pub async fn connect<IO>(&self, io: IO, inside: Inside) -> Result<ClientStream<IO>, TlsError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let (configs, name) = self.usable()?;
        let config = match inside {
            Inside::H1 => &configs.h1,
            Inside::H2 => &configs.h2,
            Inside::Bytes => &configs.bytes,
        };
        let stream = TlsConnector::from(config.clone())
            .connect_with(name.clone(), io, |session| session.set_buffer_limit(Some(BUFFER_LIMIT)))
            .await
            .map_err(|error| self.demand.error(explain(&error, inside)))?;
        if inside == Inside::H2 && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            let reason = "the server does not agree to HTTP/2 in its TLS handshake (ALPN)";
            return Err(self.demand.error(reason.to_owned()));
        }
        Ok(stream)
    }

    fn usable(&self) -> Result<(&Configs, &ServerName<'static>), TlsError> {
        let told = |reason: &str| self.demand.error(reason.to_owned());
        let configs = self.demand.configs.as_ref().map_err(|reason| told(reason))?;
        let name = self.name.as_ref().map_err(|reason| told(reason))?;
        Ok((configs, name))
    }
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Origin {}

impl Hash for Origin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Origin").field("demand", &self.demand).field("name", &self.name).finish()
    }
}

/// What went wrong, in words that say what to look at.
fn explain(error: &std::io::Error, inside: Inside) -> String {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return format!("TLS handshake: {error}");
    };
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "the server's certificate chains to none of the certificate authorities that are trusted for it"
                .to_owned()
        }
        Error::InvalidCertificate(CertificateError::Other(reason)) => {
            format!("the server's certificate {}", reason.0)
        }
        Error::InvalidCertificate(reason) => format!("the server's certificate is not good: {reason}"),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "what answers there does not speak TLS".to_owned()
        }
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            let http = if inside == Inside::H2 { "HTTP/2" } else { "HTTP/1.1" };
            format!("the server takes no {http} (ALPN)")
        }
        other => format!("TLS handshake: {other}"),
    }
}

// === impl Asked ===

impl Asked<'_> {
    fn digest(&self) -> [u8; 32] {
        let counts = [self.dns_names.len(), self.uris.len()].map(usize::to_be_bytes);
        let texts = self.dns_names.iter().chain(self.uris).map(String::as_bytes);
        let first = [self.kind.as_bytes(), self.policy.as_bytes(), &counts[0], &counts[1]];
        digest(first.into_iter().chain(texts).chain(self.authorities.iter().map(Vec::as_slice)))
    }
}

/// Lengths stand between the parts, so that no two lists give the same bytes.
fn digest<'a>(parts: impl Iterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&part.len().to_be_bytes());
        bytes.extend_from_slice(part);
    }
    sha256(&bytes)
}

// === impl Configs ===

impl Configs {
    fn new(asked: Asked<'_>) -> Result<Self, String> {
        let roots = shared_roots(asked.authorities);
        if roots.is_empty() {
            return Err("none of the certificate authorities that are named can be used".to_owned());
        }
        let dns = asked.dns_names.iter().map(|name| Name::dns(name));
        let uris = asked.uris.iter().map(|uri| Ok(Name::Uri(uri.as_str().into())));
        let algorithms = PROVIDER.signature_verification_algorithms;
        let names = dns.chain(uris).collect::<Result<_, String>>()?;
        let verifier = Arc::new(Verifier { roots, names, algorithms });
        let mut config = ClientConfig::builder_with_provider(PROVIDER.clone())
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        // A resumed session would be one that was verified at another time.
        config.resumption = Resumption::disabled();
        let offering = |protocol: &[u8]| {
            let mut config = config.clone();
            config.alpn_protocols = vec![protocol.to_vec()];
            Arc::new(config)
        };
        Ok(Self { h1: offering(b"http/1.1"), h2: offering(b"h2"), bytes: Arc::new(config) })
    }
}

/// Roots that are in use, by the digest of their certificates: the public ones are many, and policies by the dozen name them.
static ROOTS: LazyLock<Mutex<HashMap<[u8; 32], Weak<RootCertStore>>>> = LazyLock::new(Mutex::default);

/// What equal lists of certificates are read to, once for all who use them at a time.
fn shared_roots(authorities: &[Vec<u8>]) -> Arc<RootCertStore> {
    let key = digest(authorities.iter().map(Vec::as_slice));
    let mut shared = ROOTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(roots) = shared.get(&key).and_then(Weak::upgrade) {
        return roots;
    }
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        // Where none is left, that is told; others of a bundle must not suffer from one that no library reads.
        let _ = roots.add(CertificateDer::from(authority.as_slice()));
    }
    let roots = Arc::new(roots);
    shared.retain(|_, known| known.strong_count() > 0);
    shared.insert(key, Arc::downgrade(&roots));
    roots
}

fn server_name(name: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(name.to_owned())
        .map_err(|_| format!("`{}` is not a valid host name", name.escape_default()))
}

// === impl Name ===

impl Name {
    fn dns(name: &str) -> Result<Self, String> {
        match name.strip_prefix('*') {
            Some(below) => Ok(Self::Below(below.to_ascii_lowercase().into())),
            None => Ok(Self::Dns(server_name(name)?)),
        }
    }

    fn is_in(&self, leaf: &CertificateDer<'_>, parsed: &ParsedCertificate<'_>) -> bool {
        match self {
            Self::Dns(name) => verify_server_name(parsed, name).is_ok(),
            Self::Below(below) => has_name(leaf, |name| {
                let GeneralName::DNSName(name) = name else { return false };
                let first = name.to_ascii_lowercase().strip_suffix(&**below).map(str::len);
                // The certificate's own wildcard, or one label.
                first.is_some_and(|length| length > 0 && !name[..length].contains('.'))
            }),
            Self::Uri(uri) => has_name(leaf, |name| matches!(name, GeneralName::URI(has) if *has == &**uri)),
        }
    }
}

fn has_name(leaf: &CertificateDer<'_>, is: impl Fn(&GeneralName<'_>) -> bool) -> bool {
    let Ok((_, certificate)) = parse_x509_certificate(leaf) else { return false };
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return false };
    names.value.general_names.iter().any(is)
}

// === impl Verifier ===

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(leaf)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms)?;
        if self.names.is_empty() {
            verify_server_name(&parsed, host)?;
        } else if !self.names.iter().any(|name| name.is_in(leaf, &parsed)) {
            let other = OtherError(Arc::new(OtherNames));
            return Err(Error::InvalidCertificate(CertificateError::Other(other)));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, PoisonError};

    use super::{ROOTS, shared_roots};

    #[test]
    fn equal_authorities_are_read_once_and_forgotten_after_their_last_user() {
        let list = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>();
        let (first, same) = (shared_roots(&list(&["a", "bc"])), shared_roots(&list(&["a", "bc"])));
        assert!(Arc::ptr_eq(&first, &same));
        assert!(!Arc::ptr_eq(&first, &shared_roots(&list(&["ab", "c"]))));
        let forgotten = Arc::downgrade(&first);
        drop((first, same));
        assert!(forgotten.upgrade().is_none());
        let _other = shared_roots(&list(&["d"]));
        let kept = ROOTS.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(kept.values().all(|roots| !roots.ptr_eq(&forgotten)));
    }
}
