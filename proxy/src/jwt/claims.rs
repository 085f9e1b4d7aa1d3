//! What rules ask of the claims of a token.

use std::hash::{DefaultHasher, Hash, Hasher};

use aws_lc_rs::digest::{SHA256, digest};

use super::issuer::Issuer;
use super::json::Json;

/// A token of an issuer, whose claims all hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenCondition {
    /// A place among the issuers.
    pub issuer: usize,
    pub claims: Vec<Claim>,
}

/// A condition on one claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// Names of members, from the outermost on.
    pub path: Vec<Box<str>>,
    /// The value, or one of a list, is one of these.
    pub any_of: Vec<Box<str>>,
}

/// A claim by whose value requests are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedClaim {
    /// A place among the issuers.
    pub issuer: usize,
    /// Names of members, from the outermost on.
    pub path: Vec<Box<str>>,
}

/// What stands for the value of a claim: of one length, so that what is kept of tokens has a bound.
pub type ClaimValue = [u8; 32];

/// The conditions of all rules, by their places.
#[derive(Debug, Default)]
pub(super) struct Conditions(Box<[TokenCondition]>);

/// A set of places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Met(Box<[u64]>);

// === impl Conditions ===

impl Conditions {
    pub fn new(conditions: Vec<TokenCondition>) -> Self {
        Self(conditions.into())
    }

    /// Those that a token of `issuer` with these claims meets. Found once for a token, so that a request that comes with it again
    /// costs no look at its claims.
    pub fn met_by(&self, issuer: usize, claims: &Json) -> Met {
        let mut met = vec![0_u64; self.0.len().div_ceil(64)];
        for (place, condition) in self.0.iter().enumerate() {
            let holds =
                condition.issuer == issuer && condition.claims.iter().all(|claim| claim.holds(claims));
            met[place / 64] |= u64::from(holds) << (place % 64);
        }
        Met(met.into())
    }

    /// See [`super::Tokens::meaning`].
    pub fn meaning(&self, place: u32, issuers: &[Issuer]) -> u64 {
        let mut meaning = DefaultHasher::new();
        if let Some(condition) = self.0.get(place as usize) {
            condition.claims.hash(&mut meaning);
            issuers.get(condition.issuer).map(|issuer| (&issuer.id, &issuer.audiences)).hash(&mut meaning);
        }
        meaning.finish()
    }
}

// === impl Met ===

impl Met {
    pub fn contains(&self, place: u32) -> bool {
        let word = self.0.get(place as usize / 64);
        word.is_some_and(|word| word >> (place % 64) & 1 == 1)
    }
}

// === impl CountedClaim ===

impl CountedClaim {
    /// Its value in a token of `issuer` with these claims. There is none but of a text, a whole number or a yes or no: of others it is
    /// not known which are the same.
    pub(super) fn value(&self, issuer: usize, claims: &Json) -> Option<ClaimValue> {
        let value = member_at(claims, &self.path).filter(|_| self.issuer == issuer)?;
        let text = match value {
            Json::Text(text) => text.clone(),
            Json::Integer(number) => number.to_string(),
            Json::Bool(is) => is.to_string(),
            Json::Real(_) | Json::Null | Json::List(_) | Json::Members(_) => return None,
        };
        let mut standing = ClaimValue::default();
        standing.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Some(standing)
    }
}

fn member_at<'a>(claims: &'a Json, path: &[Box<str>]) -> Option<&'a Json> {
    path.iter().try_fold(claims, |value, name| value.member(name))
}

// === impl Claim ===

impl Claim {
    fn holds(&self, claims: &Json) -> bool {
        let value = member_at(claims, &self.path);
        // A list of words in one text, as OAuth has it (RFC 6749 section 3.3, RFC 9068).
        let words = self.path.len() == 1 && &*self.path[0] == "scope";
        match value {
            Some(Json::List(values)) => values.iter().any(|value| self.names(value)),
            Some(Json::Text(text)) if words => text.split(' ').any(|word| self.lists(word)),
            Some(value) => self.names(value),
            None => false,
        }
    }

    fn names(&self, value: &Json) -> bool {
        match value {
            Json::Text(text) => self.lists(text),
            Json::Integer(number) => self.lists(&number.to_string()),
            Json::Bool(true) => self.lists("true"),
            Json::Bool(false) => self.lists("false"),
            // Of these there is no one way to write them, or nothing to write.
            Json::Real(_) | Json::Null | Json::List(_) | Json::Members(_) => false,
        }
    }

    fn lists(&self, text: &str) -> bool {
        self.any_of.iter().any(|known| &**known == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_holds_for_a_value_and_for_a_member_of_a_list_and_to_the_letter() {
        let claims = br#"{"sub":"ann","groups":["staff","ops"],"level":3,"half":0.5,"admin":true,"none":null,
            "realm":{"roles":["editor"]},"https://x/org":"acme","scope":"read write","words":"read write","deep":[["staff"]]}"#;
        let claims = Json::object(claims).unwrap();
        for (path, any_of, holds) in [
            (&["sub"][..], &["ann"][..], true),
            (&["sub"], &["bob", "ann"], true),
            (&["sub"], &["Ann"], false),
            (&["sub"], &["an"], false),
            (&["groups"], &["ops"], true),
            (&["groups"], &["staff,ops"], false),
            (&["groups"], &["guests"], false),
            (&["level"], &["3"], true),
            (&["level"], &["03"], false),
            (&["half"], &["0.5"], false),
            (&["admin"], &["true"], true),
            (&["none"], &["null"], false),
            (&["none"], &[""], false),
            (&["missing"], &[""], false),
            (&["realm", "roles"], &["editor"], true),
            (&["realm.roles"], &["editor"], false),
            (&["realm"], &["editor"], false),
            (&["groups", "0"], &["staff"], false),
            (&["sub", "x"], &["ann"], false),
            (&["https://x/org"], &["acme"], true),
            (&["scope"], &["write"], true),
            (&["scope"], &["read write"], false),
            (&["words"], &["write"], false),
            (&["words"], &["read write"], true),
            (&["deep"], &["staff"], false),
        ] {
            let boxed = |texts: &[&str]| texts.iter().map(|text| (*text).into()).collect();
            let claim = Claim { path: boxed(path), any_of: boxed(any_of) };
            assert_eq!(claim.holds(&claims), holds, "{path:?} {any_of:?}");
        }
    }

    #[test]
    fn what_is_counted_is_told_apart_by_its_value_and_else_is_none() {
        let claims = br#"{"sub":"ann","level":3,"text":"3","admin":true,"list":["ann"],"half":0.5,"none":null,"in":{"sub":"ann"}}"#;
        let claims = Json::object(claims).unwrap();
        let value = |path: &[&str]| {
            let path = path.iter().map(|name| (*name).into()).collect();
            CountedClaim { issuer: 1, path }.value(1, &claims)
        };
        assert_eq!(value(&["sub"]), value(&["in", "sub"]));
        assert_eq!(value(&["level"]), value(&["text"]));
        let known = [&["sub"][..], &["level"], &["admin"]].map(|path| value(path).unwrap());
        assert!(known[0] != known[1] && known[1] != known[2] && known[0] != known[2]);
        for path in [&["list"][..], &["half"], &["none"], &["in"], &["missing"], &["sub", "x"]] {
            assert_eq!(value(path), None, "{path:?}");
        }
        assert_eq!(
            CountedClaim { issuer: 0, path: vec!["sub".into()] }.value(1, &claims),
            None,
            "of another issuer"
        );
    }

    #[test]
    fn conditions_are_of_one_issuer_and_found_by_their_place() {
        let condition = |issuer| TokenCondition { issuer, claims: Vec::new() };
        let conditions = Conditions::new((0..130).map(|place| condition(place % 2)).collect());
        let met = conditions.met_by(1, &Json::object(b"{}").unwrap());
        let found: Vec<_> = (0..200).filter(|place| met.contains(*place)).collect();
        assert_eq!(found, (0..130).filter(|place| place % 2 == 1).collect::<Vec<_>>());
    }
}
