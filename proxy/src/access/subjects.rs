//! Whom rules are about, and the index that finds what a caller is.

use std::net::IpAddr;

use super::Who;
use crate::identity::SpiffeId;

/// A kind of caller: all of its conditions hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject(pub Vec<Condition>);

/// One condition on a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub kind: Kind,
    /// It holds where the kind does not.
    pub inverted: bool,
}

/// See [`Condition`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Anyone,
    Authenticated,
    Unauthenticated,
    Identity(Box<str>),
    /// `spiffe://<trust domain>/ns/<namespace>`
    Namespace(Box<str>),
    /// `spiffe://<trust domain>`
    TrustDomain(Box<str>),
    IpBlock(IpBlock),
    /// The token of a request meets the condition at this place. A connection does not tell.
    Token(u32),
}

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpBlock {
    address: IpAddr,
    length: u8,
}

/// Subjects by what they ask for. A subject is the number of its place.
#[derive(Debug, Default)]
pub(super) struct Subjects {
    /// Those that one name decides, in ascending order of the name, which stands in the text.
    named: Box<[Named]>,
    names: Box<str>,
    /// The others, looked at one after the other when a connection begins.
    others: Box<[(u32, Subject)]>,
}

#[derive(Clone, Copy, Debug)]
struct Named {
    from: u32,
    length: u32,
    subject: u32,
}

// === impl Subjects ===

impl Subjects {
    pub fn new(subjects: Vec<Subject>) -> Self {
        let (mut named, mut others) = (Vec::new(), Vec::new());
        for (number, subject) in subjects.into_iter().enumerate() {
            let number = number as u32;
            match subject.0.as_slice() {
                [
                    Condition {
                        kind: Kind::Identity(name) | Kind::Namespace(name) | Kind::TrustDomain(name),
                        inverted: false,
                    },
                ] => {
                    named.push((name.clone(), number));
                }
                _ => others.push((number, subject)),
            }
        }
        named.sort_unstable();
        let mut names = String::new();
        let named = named.into_iter().map(|(name, subject)| {
            let from = names.len() as u32;
            names.push_str(&name);
            Named { from, length: name.len() as u32, subject }
        });
        Self { named: named.collect(), names: names.into(), others: others.into() }
    }

    /// Tells `is` every subject that the caller is, or may be with a token.
    pub fn of(&self, who: Who<'_>, mut is: impl FnMut(u32)) {
        for name in who.identity.into_iter().flat_map(names) {
            if let Ok(found) = self.named.binary_search_by(|known| self.name(known).cmp(name)) {
                is(self.named[found].subject);
            }
        }
        for (subject, conditions) in &self.others {
            if conditions.0.iter().all(|condition| condition.holds(who)) {
                is(*subject);
            }
        }
    }

    /// Bytes on the heap of those that one name decides.
    #[cfg(test)]
    pub fn weight(&self) -> usize {
        self.named.len() * size_of::<Named>() + self.names.len()
    }

    fn name(&self, named: &Named) -> &str {
        &self.names[named.from as usize..(named.from + named.length) as usize]
    }
}

/// By what a rule may name an identity: by all of it, its namespace, or its trust domain.
fn names(identity: &SpiffeId) -> [&str; 3] {
    [identity.as_str(), identity.namespace_uri(), identity.trust_domain_uri()]
}

// === impl Subject ===

impl Subject {
    /// What it asks of a token: conditions by their places, and whether each must not hold.
    pub(super) fn of_tokens(&self) -> impl Iterator<Item = (u32, bool)> {
        self.0.iter().filter_map(|condition| match condition.kind {
            Kind::Token(place) => Some((place, condition.inverted)),
            _ => None,
        })
    }
}

// === impl Condition ===

impl Condition {
    fn holds(&self, who: Who<'_>) -> bool {
        let named =
            |name: &str, of: fn(&SpiffeId) -> &str| who.identity.is_some_and(|identity| of(identity) == name);
        let holds = match &self.kind {
            Kind::Anyone => true,
            Kind::Authenticated => who.identity.is_some(),
            Kind::Unauthenticated => who.identity.is_none(),
            Kind::Identity(name) => named(name, SpiffeId::as_str),
            Kind::Namespace(name) => named(name, SpiffeId::namespace_uri),
            Kind::TrustDomain(name) => named(name, SpiffeId::trust_domain_uri),
            Kind::IpBlock(block) => who.ip.is_some_and(|ip| block.contains(ip)),
            Kind::Token(_) => return true,
        };
        holds != self.inverted
    }
}

// === impl IpBlock ===

impl IpBlock {
    /// `None` where an address of this family has not so many bits.
    pub fn new(address: IpAddr, length: u32) -> Option<Self> {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let length = u8::try_from(length).ok().filter(|length| *length <= bits)?;
        Some(Self { address, length })
    }

    /// An IPv4 address counts as such, also where it stands in one of IPv6.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let (ours, theirs, bits) = match (self.address, ip.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => (u32::from(ours).into(), u32::from(theirs).into(), 32),
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => (u128::from(ours), u128::from(theirs), 128),
            _ => return false,
        };
        // All of no bits are the same.
        (ours ^ theirs).checked_shr(bits - u32::from(self.length)).unwrap_or(0) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(subjects: &Subjects, identity: Option<&SpiffeId>, ip: &str) -> Vec<u32> {
        let mut found = Vec::new();
        subjects.of(Who { identity, ip: ip.parse().ok() }, |subject| found.push(subject));
        found.sort_unstable();
        found
    }

    #[test]
    fn a_caller_is_what_its_certificate_and_its_address_say() {
        let block = |ip: &str, length| Kind::IpBlock(IpBlock::new(ip.parse().unwrap(), length).unwrap());
        let is = |kind| Condition { kind, inverted: false };
        let not = |kind| Condition { kind, inverted: true };
        let web = || Kind::Identity("spiffe://cluster.local/ns/shop/sa/web".into());
        let shop = || Kind::Namespace("spiffe://cluster.local/ns/shop".into());
        let subjects = Subjects::new(vec![
            Subject(vec![is(web())]),
            Subject(vec![is(shop())]),
            Subject(vec![is(Kind::TrustDomain("spiffe://cluster.local".into()))]),
            Subject(vec![is(Kind::Anyone)]),
            Subject(vec![is(Kind::Authenticated)]),
            Subject(vec![is(Kind::Unauthenticated)]),
            Subject(vec![is(block("10.1.0.0", 16))]),
            Subject(vec![is(block("fd00::", 8))]),
            Subject(vec![is(web()), is(block("10.0.0.0", 8))]),
            Subject(vec![is(shop()), not(web())]),
            Subject(vec![not(block("0.0.0.0", 0))]),
        ]);
        let id = |namespace, account| SpiffeId::new("cluster.local", namespace, account);
        for (identity, ip, expected) in [
            (Some(id("shop", "web")), "10.1.2.3", &[0, 1, 2, 3, 4, 6, 8][..]),
            (Some(id("shop", "web")), "::ffff:10.1.2.3", &[0, 1, 2, 3, 4, 6, 8]),
            (Some(id("shop", "web")), "11.1.2.3", &[0, 1, 2, 3, 4]),
            (Some(id("shop", "web-2")), "fd00::7", &[1, 2, 3, 4, 7, 9, 10]),
            (Some(id("shop-2", "web")), "11.1.2.3", &[2, 3, 4]),
            (Some(SpiffeId::new("cluster.local.evil", "shop", "web")), "11.1.2.3", &[3, 4]),
            (None, "10.1.2.3", &[3, 5, 6]),
            (None, "not known", &[3, 5, 10]),
        ] {
            assert_eq!(found(&subjects, identity.as_ref(), ip), expected, "{identity:?} {ip}");
        }
    }

    #[test]
    fn a_block_has_as_many_bits_as_its_addresses() {
        for (ip, length, valid) in
            [("10.0.0.0", 32, true), ("10.0.0.0", 33, false), ("fd00::", 128, true), ("fd00::", 129, false)]
        {
            assert_eq!(IpBlock::new(ip.parse().unwrap(), length).is_some(), valid, "{ip}/{length}");
        }
    }
}
