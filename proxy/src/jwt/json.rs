//! JSON of which no reader can make anything else: an object that names a member twice is refused.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A value of a token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Integer(i128),
    /// A number that is not an integer.
    Real(f64),
    Text(String),
    List(Vec<Json>),
    /// In the order in which they came.
    Members(Vec<(String, Json)>),
}

/// How deep values may nest.
const DEPTH: usize = 16;

// === impl Json ===

impl Json {
    /// The object that `bytes` are.
    pub fn object(bytes: &[u8]) -> Option<Self> {
        let value: Self = serde_json::from_slice(bytes).ok()?;
        (matches!(value, Self::Members(_)) && value.fits(DEPTH)).then_some(value)
    }

    /// The member of this name; `None` where it is not an object.
    pub fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Members(members) => members.iter().find(|(known, _)| known == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text that it is.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    fn fits(&self, depth: usize) -> bool {
        match self {
            Self::List(values) => depth > 0 && values.iter().all(|value| value.fits(depth - 1)),
            Self::Members(members) => depth > 0 && members.iter().all(|(_, value)| value.fits(depth - 1)),
            _ => true,
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Real(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element()? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut members: Vec<(String, Json)> = Vec::new();
        let mut names = HashSet::new();
        while let Some((name, value)) = entries.next_entry::<String, Json>()? {
            if !names.insert(name.clone()) {
                return Err(A::Error::custom("a member is there twice"));
            }
            members.push((name, value));
        }
        Ok(Json::Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_objects_with_one_reading_are_taken() {
        let nested = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        for (text, taken) in [
            (r#"{}"#.to_owned(), true),
            (r#"{"a":[1,-1,1.5,"x",null,true,{"b":{}}]}"#.to_owned(), true),
            (r#"{"a":1,"a":1}"#.to_owned(), false),
            (r#"{"a":1,"\u0061":2}"#.to_owned(), false),
            (r#"{"x":{"a":1,"a":1}}"#.to_owned(), false),
            (r#"{"a":1} "#.to_owned(), true),
            (r#"{"a":1}{}"#.to_owned(), false),
            (r#"{"a":1,}"#.to_owned(), false),
            (r#"{'a':1}"#.to_owned(), false),
            (r#"{"a":NaN}"#.to_owned(), false),
            (r#"{"a":"#.to_owned(), false),
            ("[]".to_owned(), false),
            (r#""a""#.to_owned(), false),
            (String::new(), false),
            (nested(DEPTH), true),
            (nested(DEPTH + 1), false),
            (nested(4000), false),
        ] {
            assert_eq!(Json::object(text.as_bytes()).is_some(), taken, "{text}");
        }
        assert!(Json::object(b"{\"a\":\"\xff\"}").is_none());
    }
}
