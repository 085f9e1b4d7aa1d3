//! Access rules, wire to state. Whatever is missing or not understood rejects the workload: half of the rules are other rules.

use std::cell::Cell;
use std::collections::HashSet;

use http::{HeaderName, Method};
use prost::Message;

use super::{Reject, address, each, jwt, port};
use crate::access::{
    Access, Builder, Condition, Default, Effect, Grant, HeaderCondition, HeaderRule, IpBlock, Kind, Mode,
    Pattern, Subject,
};
use crate::identity::SpiffeId;
use crate::jwt::Tokens;
use crate::tls::config::sha256;
use crate::wire::weft::v1 as wire;

/// Grants of all subjects; `src/wire/budget.json` has the same numbers for the control plane.
pub(super) const GRANTS: usize = 16_384;
/// Bytes of all rules as they arrive.
pub(super) const ACCESS_BYTES: usize = 2 * 1024 * 1024;
/// Claims by which limits count: each token that is kept has their values.
pub(super) const COUNTED_CLAIMS: usize = 16;
/// Pairs of a grant and a port, and of such a pair and a path: what the index is made of.
pub(super) const ENTRIES: usize = 65_536;

/// Decodes the rules about one pod.
pub(super) fn access(wire: &wire::Access) -> Result<Access, Reject> {
    check(wire)?;
    let mut builder =
        Builder::new(default_access(wire.default_access)?, wire.bindings.iter().map(String::as_str));
    for (index, permission) in wire.permissions.iter().enumerate() {
        add_permission(&mut builder, permission)
            .map_err(|Reject(reason)| reject!("permissions[{index}]: {reason}"))?;
    }
    let issuers = each("jwt_issuers", &wire.jwt_issuers, jwt::issuer)?;
    jwt::each_once(&issuers)?;
    let count = issuers.len();
    // In the order in which conditions refer to them.
    let conditions = wire.subjects.iter().flat_map(|subject| &subject.all_of);
    let conditions: Result<_, _> = conditions
        .filter_map(|condition| match &condition.who {
            Some(wire::subject_condition::Who::Jwt(wire)) => Some(jwt::condition(wire, count)),
            _ => None,
        })
        .collect();
    let counted = each("counted_claims", &wire.counted_claims, |wire| jwt::counted_claim(wire, count))?;
    builder.tokens(Tokens::new(issuers, conditions?).counting(counted));
    let by_token = Cell::new(0);
    let mut seen = HashSet::new();
    for (index, subject) in wire.subjects.iter().enumerate() {
        let named = |Reject(reason)| reject!("subjects[{index}]: {reason}");
        let conditions = each("all_of", &subject.all_of, |wire| condition(wire, &by_token)).map_err(named)?;
        if conditions.is_empty() {
            return Err(named(reject!("it has no condition")));
        }
        if !seen.insert(wire::Subject { grants: Vec::new(), ..subject.clone() }.encode_to_vec()) {
            return Err(named(reject!("it is there twice")));
        }
        let counts = (wire.permissions.len(), wire.bindings.len());
        let grants = each("grants", &subject.grants, |wire| grant(wire, counts)).map_err(named)?;
        builder.subject(Subject(conditions), grants);
    }
    Ok(builder.build(sha256(&wire.encode_to_vec())))
}

fn check(wire: &wire::Access) -> Result<(), Reject> {
    let grants = wire.subjects.iter().flat_map(|subject| &subject.grants);
    let entries = grants.clone().filter_map(|grant| {
        let permission = wire.permissions.get((grant.permission as usize).checked_sub(1)?)?;
        Some(permission.ports.len().max(1) * permission.paths.len().max(1))
    });
    let amounts = [
        ("grants", grants.count(), GRANTS),
        ("bytes of access rules", wire.encoded_len(), ACCESS_BYTES),
        ("counted claims", wire.counted_claims.len(), COUNTED_CLAIMS),
        ("paths of grants", entries.sum(), ENTRIES),
    ];
    match amounts.iter().find(|(_, found, most)| found > most) {
        None => Ok(()),
        Some((what, found, most)) => Err(reject!("too large: {found} {what}, of {most} at most")),
    }
}

fn add_permission(builder: &mut Builder, wire: &wire::Permission) -> Result<(), Reject> {
    let ports = each("ports", &wire.ports, |number| port(*number))?;
    let methods = each("methods", &wire.methods, |name| {
        Method::from_bytes(name.as_bytes())
            .map_err(|_| reject!("`{}` is not a method", name.escape_default()))
    })?;
    let paths = each("paths", &wire.paths, |text| Pattern::parse(text).map_err(|error| reject!("{error}")))?;
    let headers = each("headers", &wire.headers, header)?;
    builder.permission(ports, methods, paths, headers);
    Ok(())
}

fn header(wire: &wire::AccessHeader) -> Result<HeaderRule, Reject> {
    use wire::access_header::Condition;

    let name = HeaderName::from_bytes(wire.name.as_bytes())
        .map_err(|_| reject!("`{}` is not the name of a header", wire.name.escape_default()))?;
    let condition = match wire.condition.as_ref() {
        Some(Condition::Exact(text)) => HeaderCondition::Exact(text.as_str().into()),
        Some(Condition::Prefix(text)) => HeaderCondition::Prefix(text.as_str().into()),
        Some(Condition::Present(true)) => HeaderCondition::Present,
        Some(Condition::Present(false)) | None => return Err(reject!("no condition this proxy knows")),
    };
    Ok(HeaderRule { name, condition })
}

/// `by_token` counts the conditions on tokens, each of which has a place.
fn condition(wire: &wire::SubjectCondition, by_token: &Cell<u32>) -> Result<Condition, Reject> {
    use wire::subject_condition::Who;

    let who = wire.who.as_ref().ok_or_else(|| reject!("no condition this proxy knows"))?;
    let kind = match who {
        Who::Caller(kind) => match wire::CallerKind::try_from(*kind) {
            Ok(wire::CallerKind::Anyone) => Kind::Anyone,
            Ok(wire::CallerKind::Authenticated) => Kind::Authenticated,
            Ok(wire::CallerKind::Unauthenticated) => Kind::Unauthenticated,
            Ok(wire::CallerKind::Unspecified) | Err(_) => {
                return Err(reject!("caller {kind} is of no kind this proxy knows"));
            }
        },
        Who::Identity(uri) => Kind::Identity(identity(uri, "")?),
        Who::Namespace(uri) => Kind::Namespace(identity(uri, "/sa/x")?),
        Who::TrustDomain(uri) => Kind::TrustDomain(identity(uri, "/ns/x/sa/x")?),
        Who::IpBlock(block) => {
            let block = IpBlock::new(address(&block.address)?, block.length);
            Kind::IpBlock(block.ok_or_else(|| reject!("a block of addresses has more bits than they have"))?)
        }
        Who::Jwt(_) => {
            let place = by_token.get();
            by_token.set(place + 1);
            Kind::Token(place)
        }
    };
    Ok(Condition { kind, inverted: wire.inverted })
}

/// The beginning of an identity that is whole with `rest`.
fn identity(uri: &str, rest: &str) -> Result<Box<str>, Reject> {
    let whole: Result<SpiffeId, _> = format!("{uri}{rest}").parse();
    whole.map(|_| uri.into()).map_err(|error| reject!("{error}"))
}

fn grant(wire: &wire::Grant, (permissions, bindings): (usize, usize)) -> Result<Grant, Reject> {
    let place = |what, number: u32, count| {
        let index = (number as usize).checked_sub(1).filter(|index| *index < count);
        index.ok_or_else(|| reject!("{what} {number} is not among {count}"))
    };
    Ok(Grant {
        permission: place("permission", wire.permission, permissions)?,
        binding: place("binding", wire.binding, bindings)?,
        effect: match wire::AccessEffect::try_from(wire.effect) {
            Ok(wire::AccessEffect::Allow) => Effect::Allow,
            Ok(wire::AccessEffect::Deny) => Effect::Deny,
            Ok(wire::AccessEffect::Unspecified) | Err(_) => {
                return Err(reject!("effect {} is not known", wire.effect));
            }
        },
        mode: match wire::AccessMode::try_from(wire.mode) {
            Ok(wire::AccessMode::Enforce) => Mode::Enforce,
            Ok(wire::AccessMode::DryRun) => Mode::DryRun,
            Ok(wire::AccessMode::Unspecified) | Err(_) => {
                return Err(reject!("mode {} is not known", wire.mode));
            }
        },
    })
}

fn default_access(number: i32) -> Result<Default, Reject> {
    match wire::AccessDefault::try_from(number) {
        Ok(wire::AccessDefault::AllowByDefault) => Ok(Default::Allow),
        Ok(wire::AccessDefault::WouldDenyByDefault) => Ok(Default::WouldDeny),
        Ok(wire::AccessDefault::DenyByDefault) => Ok(Default::Deny),
        Ok(wire::AccessDefault::Unspecified) => Err(reject!("default_access is not set")),
        Err(_) => Err(reject!("default_access {number} is unknown")),
    }
}
