//! What rules ask about headers.

use http::{HeaderMap, HeaderName};

use super::Effect;

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
    /// not known. What denies needs to hold for one member of a list only, in any case of letters.
    pub fn holds(&self, effect: Effect, headers: &HeaderMap) -> bool {
        let mut lines = headers.get_all(&self.name).iter().peekable();
        match effect {
            Effect::Allow => {
                lines.peek().is_some() && lines.all(|line| self.condition.allows(line.as_bytes()))
            }
            Effect::Deny => lines.any(|line| {
                let mut members = line.as_bytes().split(|byte| *byte == b',');
                self.condition.denies(line.as_bytes().trim_ascii())
                    || members.any(|member| self.condition.denies(member.trim_ascii()))
            }),
        }
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

    fn denies(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(text) => value.eq_ignore_ascii_case(text.as_bytes()),
            Self::Prefix(text) => {
                value.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text.as_bytes()))
            }
            Self::Present => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
