//! Whether an issuer made a token, for us and for now.

use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;

use super::claims::{ClaimValue, Met};
use super::issuer::Issuer;
use super::json::Json;
use super::key::Algorithm;
use super::{TokenCache, Tokens, base64url};

/// Bytes of a token.
pub(super) const LONGEST: usize = 8 * 1024;

/// The last second that every reader of JSON can tell from the next.
const LATEST: i64 = (1 << 53) - 1;

/// A token that is believed: what is left of it, which its claims are not, but for those that are counted.
#[derive(Debug)]
pub struct Token {
    /// The place of its issuer.
    pub issuer: usize,
    met: Met,
    counted: Box<[Option<ClaimValue>]>,
    /// In seconds since 1970, clocks being as they may be.
    from: i64,
    until: i64,
}

/// Why a token is not believed. For logs and metrics; its bearer is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// There are several, or several headers that could be read as one.
    Several,
    /// It is longer than 8 KiB.
    TooLarge,
    /// It is not a signed token that has one reading.
    Malformed,
    /// It is a token for another purpose.
    Type,
    /// It has extensions that must be understood.
    Critical,
    /// It is not signed, or by what nobody but its maker may be able to verify.
    Algorithm,
    /// Nobody is known who calls himself so, and puts tokens where this one was.
    Issuer,
    /// It is for others.
    Audience,
    NoExpiry,
    Expired,
    NotYet,
    /// The issuer has no key of this name and algorithm, or several.
    Key,
    Signature,
}

// === impl Invalid ===

impl Invalid {
    /// For the label of a metric and the access log, where names of bindings have a slash.
    pub fn name(self) -> &'static str {
        match self {
            Self::Several => "invalid-token:several-tokens",
            Self::TooLarge => "invalid-token:too-large",
            Self::Malformed => "invalid-token:malformed",
            Self::Type => "invalid-token:wrong-type",
            Self::Critical => "invalid-token:critical-extension",
            Self::Algorithm => "invalid-token:unsupported-algorithm",
            Self::Issuer => "invalid-token:unknown-issuer",
            Self::Audience => "invalid-token:wrong-audience",
            Self::NoExpiry => "invalid-token:no-expiry",
            Self::Expired => "invalid-token:expired",
            Self::NotYet => "invalid-token:not-yet-valid",
            Self::Key => "invalid-token:unknown-key",
            Self::Signature => "invalid-token:bad-signature",
        }
    }
}

// === impl Token ===

impl Token {
    /// Whether it meets the condition at a place.
    pub fn meets(&self, condition: u32) -> bool {
        self.met.contains(condition)
    }

    /// The value of the counted claim at a place; `None`: it has none.
    pub fn counted(&self, claim: usize) -> Option<&ClaimValue> {
        self.counted.get(claim)?.as_ref()
    }

    /// Whether it is valid at a time in seconds since 1970.
    pub(super) fn at(&self, now: i64) -> Result<(), Invalid> {
        match now {
            now if now >= self.until => Err(Invalid::Expired),
            now if now < self.from => Err(Invalid::NotYet),
            _ => Ok(()),
        }
    }
}

// === impl Tokens ===

impl Tokens {
    /// What the request of these headers has as a token; `None`: nothing. `version` is another one whenever this is.
    pub fn read(
        &self,
        headers: &HeaderMap,
        cache: &TokenCache,
        version: &[u8; 32],
        now: SystemTime,
    ) -> Result<Option<Rc<Token>>, Invalid> {
        let Some((location, text)) = self.find(headers)? else { return Ok(None) };
        if text.len() > LONGEST {
            return Err(Invalid::TooLarge);
        }
        let now = seconds(now);
        let token = cache.get(version, text, || self.verify(text, now))?;
        token.at(now)?;
        // What was kept may have come from somewhere else.
        let place = self.issuers.get(token.issuer).map(|issuer| &issuer.location);
        if place != Some(location) {
            return Err(Invalid::Issuer);
        }
        Ok(Some(token))
    }

    /// Takes a verified token off where its issuer wants that.
    pub fn take_off(&self, token: &Token, headers: &mut HeaderMap) {
        if let Some(issuer) = self.issuers.get(token.issuer)
            && issuer.removed
        {
            issuer.location.clear(headers);
        }
    }

    fn verify(&self, text: &[u8], now: i64) -> Result<Token, Invalid> {
        let mut parts = text.split(|byte| *byte == b'.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Invalid::Malformed);
        };
        let signed = &text[..header.len() + 1 + payload.len()];
        let decoded = |part| base64url::decode(part).ok_or(Invalid::Malformed);
        let object = |part| decoded(part).and_then(|bytes| Json::object(&bytes).ok_or(Invalid::Malformed));
        let (header, claims) = (object(header)?, object(payload)?);
        let (algorithm, key_id) = heading(&header)?;
        let signature = decoded(signature)?;

        let id = claims.member("iss").and_then(Json::text).ok_or(Invalid::Issuer)?;
        let place = self.issuers.iter().position(|issuer| &*issuer.id == id).ok_or(Invalid::Issuer)?;
        let issuer = &self.issuers[place];
        is_for(issuer, &claims)?;
        let (from, until) = lifetime(issuer, &claims)?;
        let counted = self.counted.iter().map(|claim| claim.value(place, &claims)).collect();
        let met = self.conditions.met_by(place, &claims);
        let token = Token { issuer: place, met, counted, from, until };
        // Before the signature, which costs more than all else.
        token.at(now)?;
        let key = issuer.key(key_id, algorithm).ok_or(Invalid::Key)?;
        if !key.made(algorithm, signed, &signature) {
            return Err(Invalid::Signature);
        }
        Ok(token)
    }
}

/// How it is signed, and the name of the key. `jwk`, `jku`, `x5u`, `x5c`: whoever made the token would choose by whom it is believed.
fn heading(header: &Json) -> Result<(Algorithm, Option<&str>), Invalid> {
    if header.member("crit").is_some() || header.member("b64").is_some() {
        return Err(Invalid::Critical);
    }
    // Tokens for other purposes, such as for logging out, are signed with the same keys (RFC 8725 section 3.11).
    let is_type = |text: &str| {
        let text = text.to_ascii_lowercase();
        ["jwt", "at+jwt"].contains(&text.strip_prefix("application/").unwrap_or(&text))
    };
    match header.member("typ").map(Json::text) {
        None => {}
        Some(Some(text)) if is_type(text) => {}
        Some(_) => return Err(Invalid::Type),
    }
    if header.member("cty").is_some() {
        return Err(Invalid::Type);
    }
    let algorithm = header.member("alg").and_then(Json::text).and_then(Algorithm::named);
    let key_id = match header.member("kid") {
        None => None,
        Some(name) => Some(name.text().ok_or(Invalid::Malformed)?),
    };
    Ok((algorithm.ok_or(Invalid::Algorithm)?, key_id))
}

fn is_for(issuer: &Issuer, claims: &Json) -> Result<(), Invalid> {
    let names =
        |value: &Json| value.text().is_some_and(|text| issuer.audiences.iter().any(|own| &**own == text));
    let fits = match claims.member("aud") {
        Some(Json::List(values)) => {
            values.iter().all(|value| value.text().is_some()) && values.iter().any(names)
        }
        Some(value) => names(value),
        None => false,
    };
    if fits { Ok(()) } else { Err(Invalid::Audience) }
}

/// From when to when it may be believed.
fn lifetime(issuer: &Issuer, claims: &Json) -> Result<(i64, i64), Invalid> {
    let time = |name| claims.member(name).map(|value| date(value).ok_or(Invalid::Malformed)).transpose();
    let end = time("exp")?.ok_or(Invalid::NoExpiry)?;
    let (begin, made) = (time("nbf")?, time("iat")?);
    if begin.max(made).is_some_and(|begin| begin > end) {
        return Err(Invalid::Malformed);
    }
    let from = begin.max(made).map_or(0, |begin| begin.saturating_sub(issuer.skew));
    Ok((from, end.saturating_add(issuer.skew)))
}

/// A NumericDate (RFC 7519 section 2), in whole seconds.
fn date(value: &Json) -> Option<i64> {
    let seconds = match value {
        Json::Integer(number) => i64::try_from(*number).ok()?,
        Json::Real(number) if (0.0..=LATEST as f64).contains(number) => *number as i64,
        _ => return None,
    };
    (0..=LATEST).contains(&seconds).then_some(seconds)
}

fn seconds(now: SystemTime) -> i64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
