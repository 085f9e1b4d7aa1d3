//! JSON Web Tokens (RFC 7519) as access rules want them: where a request has one, whether its issuer made it, and which of the
//! conditions of rules it meets. Pure but for the clock, which the caller reads.
//!
//! What was signed decides only with what the control plane said about the issuer: its keys, each bound to the algorithms that it is
//! for. Nothing that a token says about its own key is looked at, and whatever could be read in two ways is refused.

mod base64url;
mod cache;
mod claims;
mod issuer;
mod json;
mod key;
mod location;
mod verify;

#[cfg(test)]
mod tests;

pub(crate) use base64url::decode as decode_base64url;
pub use cache::TokenCache;
pub use claims::{Claim, CountedClaim, TokenCondition};
pub use issuer::Issuer;
pub use key::{Algorithm, BadKey, Key, Material};
pub use location::Location;
pub use verify::{Invalid, Token};

use self::claims::Conditions;

/// Whose tokens are believed, and what rules ask of them. Immutable.
#[derive(Debug, Default)]
pub struct Tokens {
    issuers: Box<[Issuer]>,
    conditions: Conditions,
    counted: Box<[CountedClaim]>,
    /// Where issuers want their tokens, each once.
    locations: Box<[Location]>,
}

// === impl Tokens ===

impl Tokens {
    /// `conditions` name issuers by their place.
    pub fn new(issuers: Vec<Issuer>, conditions: Vec<TokenCondition>) -> Self {
        let mut locations: Vec<Location> = Vec::new();
        for issuer in &issuers {
            if !locations.contains(&issuer.location) {
                locations.push(issuer.location.clone());
            }
        }
        let (conditions, counted) = (Conditions::new(conditions), [].into());
        Self { issuers: issuers.into(), conditions, counted, locations: locations.into() }
    }

    /// The same, which also keep the values of `claims`, which name issuers by their place.
    pub fn counting(self, claims: Vec<CountedClaim>) -> Self {
        Self { counted: claims.into(), ..self }
    }

    /// The issuer at a place.
    pub fn issuer(&self, place: usize) -> Option<&Issuer> {
        self.issuers.get(place)
    }

    /// A number that is equal for conditions that ask the same of tokens of the same issuer.
    pub(crate) fn meaning(&self, condition: u32) -> u64 {
        self.conditions.meaning(condition, &self.issuers)
    }
}
