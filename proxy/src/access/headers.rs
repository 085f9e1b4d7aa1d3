//! What rules ask about headers.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::Effect;
use crate::http::headers::look_alike;

/// A condition on the headers of one name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderRule {
    pub name: HeaderName,
    pub condition: HeaderCondition,
}

/// See [`HeaderRule`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HeaderCondition {
    Exact(Box<str>),
    Prefix(Box<str>),
    Present,
}

// === impl HeaderRule ===

impl HeaderRule {
    /// What allows must hold for each line of the name as it stands, and there is one: which of several lines an application reads is
    /// not known. What denies needs to hold for one member of a list only, in any case of letters. For both a line counts of whose name
    /// an application may make the same.
    pub fn holds(&self, effect: Effect, headers: &HeaderMap) -> bool {
        let mut lines = self.lines(headers).map(HeaderValue::as_bytes);
        match effect {
            Effect::Allow => {
                headers.contains_key(&self.name) && lines.all(|line| self.condition.allows(line))
            }
            Effect::Deny => lines.any(|line| {
                let mut members = line.split(|byte| *byte == b',');
                self.condition.denies(line) || members.any(|member| self.condition.denies(member))
            }),
        }
    }

    fn lines<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a HeaderValue> {
        headers.iter().filter(|(name, _)| look_alike(name, &self.name)).map(|(_, line)| line)
    }
}

// === impl HeaderCondition ===

impl HeaderCondition {
    fn allows(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(text) => value == text.as_bytes(),
            Self::Prefix(text) => value.starts_with(text.as_bytes()),
            Self::Present => true,
        }
    }

    /// Applications take different bytes at the ends of a value for spaces: some those of Latin-1 and Unicode, too.
    fn denies(&self, value: &[u8]) -> bool {
        let is = |value: &[u8]| match self {
            Self::Exact(text) => value.eq_ignore_ascii_case(text.as_bytes()),
            Self::Prefix(text) => {
                value.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text.as_bytes()))
            }
            Self::Present => true,
        };
        is(value.trim_ascii()) || is(visible(value))
    }
}

/// Without what is no visible ASCII at its ends.
fn visible(value: &[u8]) -> &[u8] {
    let begin = value.iter().position(u8::is_ascii_graphic).unwrap_or(value.len());
    let end = value.iter().rposition(u8::is_ascii_graphic).map_or(begin, |last| last + 1);
    &value[begin..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines by name and value; whether a rule that wants `x-group: staff` allows, and denies.
    #[test]
    fn names_and_spaces_that_applications_take_for_the_same_count() {
        let rule = HeaderRule {
            name: HeaderName::from_static("x-group"),
            condition: HeaderCondition::Exact("staff".into()),
        };
        for (lines, allows, denies) in [
            (&[("x_group", "staff")][..], false, true),
            (&[("x.group", "staff")], false, true),
            (&[("x-group", "staff"), ("x_group", "staff")], true, true),
            (&[("x-group", "staff"), ("x_group", "guest")], false, true),
            (&[("x-group", "guest"), ("X_GROUP", "good, Staff")], false, true),
            (&[("x-group", "guest"), ("x-groups", "staff"), ("xgroup", "staff")], false, false),
            (&[("x-group", "\u{a0}staff")], false, true),
            (&[("x-group", "guest,\u{feff}staff\u{2003}")], false, true),
            (&[("x-group", "\u{a0}")], false, false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            assert_eq!(rule.holds(Effect::Allow, &headers), allows, "allow {lines:?}");
            assert_eq!(rule.holds(Effect::Deny, &headers), denies, "deny {lines:?}");
        }
    }

    #[test]
    fn what_allows_holds_for_every_line_and_what_denies_for_any_member() {
        let rule = |condition| HeaderRule { name: HeaderName::from_static("x-group"), condition };
        let exact = rule(HeaderCondition::Exact("staff".into()));
        let prefix = rule(HeaderCondition::Prefix("st".into()));
        let present = rule(HeaderCondition::Present);
        // Lines; whether each rule allows, and denies.
        for (lines, allows, denies) in [
            (&[][..], [false, false, false], [false, false, false]),
            (&["staff"], [true, true, true], [true, true, true]),
            (&["staff", "guest"], [false, false, true], [true, true, true]),
            (&["staff", "staff"], [true, true, true], [true, true, true]),
            (&["guest, staff"], [false, false, true], [true, true, true]),
            (&["STAFF"], [false, false, true], [true, true, true]),
            (&["s"], [false, false, true], [false, false, true]),
            (&[""], [false, false, true], [false, false, true]),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-group", line.parse().unwrap());
            }
            let holds = |effect| [&exact, &prefix, &present].map(|rule| rule.holds(effect, &headers));
            assert_eq!(holds(Effect::Allow), allows, "allow {lines:?}");
            assert_eq!(holds(Effect::Deny), denies, "deny {lines:?}");
        }
    }
}
