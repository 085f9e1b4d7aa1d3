//! Public keys of issuers, each bound to the algorithms that it is for.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    VerificationAlgorithm,
};
use thiserror::Error;

/// How a token may be signed (RFC 7518 section 3.1, RFC 8037). There is none without a signature, and none whose secret verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

/// What a key consists of.
#[derive(Clone, Debug)]
pub enum Material {
    /// Big-endian, without leading zeros.
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// A point, uncompressed.
    P256(Vec<u8>),
    /// A point, uncompressed.
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// Why a key is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadKey {
    #[error("an algorithm is not for keys of this type")]
    OtherType,
    #[error("it is not a public key, or one of less than 2048 or more than 8192 bits")]
    NotAKey,
}

/// A key of an issuer.
#[derive(Debug)]
pub struct Key {
    /// The name by which tokens refer to it.
    pub id: Option<Box<str>>,
    forms: Box<[(Algorithm, ParsedPublicKey)]>,
}

// === impl Algorithm ===

impl Algorithm {
    /// That of a name, to the letter.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            // RFC 9864 gives the one of its curves that is in use a name of its own.
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }

    fn rsa(self) -> Option<&'static RsaParameters> {
        Some(match self {
            Self::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            Self::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
            Self::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
            Self::Ps256 => &RSA_PSS_2048_8192_SHA256,
            Self::Ps384 => &RSA_PSS_2048_8192_SHA384,
            Self::Ps512 => &RSA_PSS_2048_8192_SHA512,
            Self::Es256 | Self::Es384 | Self::EdDsa => return None,
        })
    }
}

// === impl Key ===

impl Key {
    /// A key for `algorithms`, all of which must fit it.
    pub fn new(id: Option<Box<str>>, algorithms: &[Algorithm], material: &Material) -> Result<Self, BadKey> {
        let forms: Result<_, _> =
            algorithms.iter().map(|algorithm| Ok((*algorithm, parsed(*algorithm, material)?))).collect();
        Ok(Self { id, forms: forms? })
    }

    /// Whether it is for this algorithm.
    pub fn is_for(&self, algorithm: Algorithm) -> bool {
        self.forms.iter().any(|(known, _)| *known == algorithm)
    }

    /// Whether it made `signature` of `message` by this algorithm.
    pub fn made(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let form = self.forms.iter().find(|(known, _)| *known == algorithm);
        form.is_some_and(|(_, key)| key.verify_sig(message, signature).is_ok())
    }
}

fn parsed(algorithm: Algorithm, material: &Material) -> Result<ParsedPublicKey, BadKey> {
    let (curve, bytes): (&'static dyn VerificationAlgorithm, _) = match (material, algorithm) {
        (Material::Rsa { modulus, exponent }, algorithm) => {
            let parameters = algorithm.rsa().ok_or(BadKey::OtherType)?;
            if !(256..=1024).contains(&modulus.len()) || modulus[0] < 0x80 && modulus.len() == 256 {
                return Err(BadKey::NotAKey);
            }
            let components = RsaPublicKeyComponents { n: modulus, e: exponent };
            return components.to_parsed_public_key(parameters).map_err(|_| BadKey::NotAKey);
        }
        (Material::P256(point), Algorithm::Es256) => (&ECDSA_P256_SHA256_FIXED, point),
        (Material::P384(point), Algorithm::Es384) => (&ECDSA_P384_SHA384_FIXED, point),
        (Material::Ed25519(key), Algorithm::EdDsa) => (&ED25519, key),
        _ => return Err(BadKey::OtherType),
    };
    let length = match algorithm {
        Algorithm::Es256 => 65,
        Algorithm::Es384 => 97,
        _ => 32,
    };
    // Nothing else is read as a key than its bare form.
    if bytes.len() != length {
        return Err(BadKey::NotAKey);
    }
    ParsedPublicKey::new(curve, bytes).map_err(|_| BadKey::NotAKey)
}
