//! Who signs tokens.

use super::key::{Algorithm, Key};
use super::location::Location;

/// An issuer as the control plane describes it.
#[derive(Debug)]
pub struct Issuer {
    /// `<namespace>/<name>` of its object, for people.
    pub name: Box<str>,
    /// The claim `iss` of its tokens.
    pub id: Box<str>,
    /// The claim `aud` must name one of these.
    pub audiences: Vec<Box<str>>,
    /// Those that are valid now.
    pub keys: Vec<Key>,
    /// By how much clocks may differ, in seconds.
    pub skew: i64,
    pub location: Location,
    /// The application does not see its tokens.
    pub removed: bool,
}

// === impl Issuer ===

impl Issuer {
    /// The only key that may have made a token which names `id`; without a name, the only one of the algorithm.
    pub(super) fn key(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let mut keys = self
            .keys
            .iter()
            .filter(|key| key.is_for(algorithm) && id.is_none_or(|id| key.id.as_deref() == Some(id)));
        let key = keys.next()?;
        keys.next().is_none().then_some(key)
    }
}
