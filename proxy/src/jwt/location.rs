//! Where in a request a token stands.

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::Tokens;
use super::verify::Invalid;
use crate::http::headers::look_alike;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// `Authorization: Bearer` (RFC 6750 section 2.1).
    Bearer,
    /// The whole value of this header.
    Header(HeaderName),
    /// The value of this cookie.
    Cookie(Box<str>),
}

// === impl Tokens ===

impl Tokens {
    /// The one token that a request has, and where. Of several it is not known which one the application reads.
    pub(super) fn find<'a>(&self, headers: &'a HeaderMap) -> Result<Option<(&Location, &'a [u8])>, Invalid> {
        let mut found = None;
        for location in &self.locations {
            let Some(token) = location.token(headers)? else { continue };
            if found.replace((location, token)).is_some() {
                return Err(Invalid::Several);
            }
        }
        Ok(found)
    }
}

// === impl Location ===

impl Location {
    fn token<'a>(&self, headers: &'a HeaderMap) -> Result<Option<&'a [u8]>, Invalid> {
        match self {
            Self::Bearer => {
                let value = only(headers, &AUTHORIZATION)?;
                Ok(value.and_then(bearer))
            }
            Self::Header(name) => only(headers, name),
            Self::Cookie(name) => {
                let mut values = cookies(headers).filter_map(|pair| value_of(pair, name));
                let first = values.next();
                if values.next().is_some() { Err(Invalid::Several) } else { Ok(first) }
            }
        }
    }

    /// Takes the token off.
    pub(super) fn clear(&self, headers: &mut HeaderMap) {
        match self {
            Self::Bearer => drop(headers.remove(AUTHORIZATION)),
            Self::Header(name) => drop(headers.remove(name)),
            Self::Cookie(name) => {
                let others: Vec<_> = cookies(headers).filter(|pair| value_of(pair, name).is_none()).collect();
                let others = others.join(&b"; "[..]);
                headers.remove(COOKIE);
                if let Ok(value) = HeaderValue::from_bytes(&others)
                    && !others.is_empty()
                {
                    headers.insert(COOKIE, value);
                }
            }
        }
    }
}

/// The value of a header that may be there once only, under no other name of which an application may make the same.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, Invalid> {
    let mut lines = headers.iter().filter(|(other, _)| look_alike(other, name));
    match (lines.next(), lines.next()) {
        (None, _) => Ok(None),
        (Some((found, value)), None) if found == name => Ok(Some(value.as_bytes().trim_ascii())),
        _ => Err(Invalid::Several),
    }
}

/// What stands behind the scheme, in any case of letters (RFC 9110 section 11.1). Credentials of another scheme are no token.
fn bearer(credentials: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = credentials.split_at_checked(6)?;
    let is_bearer = scheme.eq_ignore_ascii_case(b"bearer");
    // A scheme ends at a space. What an application might take for one counts as its end, and as no part of a token that is believed.
    let ends = rest.first().is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-');
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    (is_bearer && ends).then(|| &rest[spaces..])
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(COOKIE).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .map(<[u8]>::trim_ascii)
        .filter(|pair| !pair.is_empty())
}

fn value_of<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let at = pair.iter().position(|byte| *byte == b'=')?;
    (pair[..at].trim_ascii() == name.as_bytes()).then(|| pair[at + 1..].trim_ascii())
}
