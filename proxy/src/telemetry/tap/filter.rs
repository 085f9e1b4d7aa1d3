//! Which requests a watcher wants to see.

use std::time::Duration;

use http::{HeaderName, Method, Request};

use super::event::Event;
use crate::telemetry::Direction;

/// Everything that is said must hold.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub side: Option<Direction>,
    /// `namespace/name:port`, `namespace/name`, `name:port` or `name`.
    pub to: Option<String>,
    /// Who calls: an identity, or the end of one, which begins with a slash.
    pub from: Option<String>,
    pub method: Option<Method>,
    /// How the path begins.
    pub path: Option<String>,
    pub status: Option<Status>,
    pub min_latency: Option<Duration>,
    /// Of the request, with their values.
    pub headers: Vec<(HeaderName, String)>,
    pub verdict: Option<String>,
}

/// As `404` or `5xx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Code(u16),
    Class(u16),
}

// === impl Filter ===

impl Filter {
    /// Whether it may be one of them, as far as that is known when it comes.
    pub fn may_take<B>(&self, side: Direction, request: &Request<B>) -> bool {
        let path = request.uri().path_and_query().map_or("", |path| path.as_str());
        let has = |(name, value): &(HeaderName, String)| {
            request.headers().get_all(name).iter().any(|found| found.as_bytes() == value.as_bytes())
        };
        self.side.is_none_or(|wanted| wanted == side)
            && self.method.as_ref().is_none_or(|method| method == request.method())
            && self.path.as_ref().is_none_or(|wanted| path.starts_with(wanted.as_str()))
            && self.headers.iter().all(has)
    }

    /// Whether it is one of them; `own` is who this pod is.
    pub fn takes(&self, event: &Event<'_>, own: &str) -> bool {
        let holds = |wanted: &Option<String>, is: &dyn Fn(&str) -> bool| wanted.as_deref().is_none_or(is);
        self.side.is_none_or(|side| event.side == side)
            && holds(&self.to, &|to| is_service(event.destination, to))
            && holds(&self.from, &|from| is_identity(event.caller(own), from))
            && self.method.as_ref().is_none_or(|method| event.method == Some(method.as_str()))
            && holds(&self.path, &|path| event.path.is_some_and(|found| found.starts_with(path)))
            && self.status.is_none_or(|status| event.status.is_some_and(|found| status.is(found)))
            && self.min_latency.is_none_or(|least| event.took >= least)
            && self.headers.iter().all(|(name, value)| event.request_has(name, value))
            && holds(&self.verdict, &|verdict| event.has_verdict(verdict))
    }
}

// === impl Status ===

impl Status {
    pub fn parse(text: &str) -> Option<Self> {
        let is_status = |code: &u16| (100..1000).contains(code);
        match text.strip_suffix("xx") {
            Some(class) => class.parse().ok().filter(|class| (1..=9).contains(class)).map(Self::Class),
            None => text.parse().ok().filter(is_status).map(Self::Code),
        }
    }

    fn is(self, code: u16) -> bool {
        match self {
            Self::Code(wanted) => code == wanted,
            Self::Class(class) => code / 100 == class,
        }
    }
}

/// Whether `destination`, as in `namespace/name:port`, is what `asked` says of it.
fn is_service(destination: &str, asked: &str) -> bool {
    let name = |text: &'_ str| text.rsplit_once(':').map_or(text.to_owned(), |(name, _)| name.to_owned());
    let full = if asked.contains('/') {
        destination
    } else {
        destination.split_once('/').map_or(destination, |(_, name)| name)
    };
    full == asked || name(full) == asked
}

fn is_identity(identity: &str, asked: &str) -> bool {
    identity == asked || (asked.starts_with('/') && identity.ends_with(asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_found_by_any_of_its_names() {
        for asked in ["shop/reviews:9080", "shop/reviews", "reviews:9080", "reviews"] {
            assert!(is_service("shop/reviews:9080", asked), "{asked}");
        }
        for asked in ["shop/reviews:80", "qa/reviews", "review", "9080", "", "shop/"] {
            assert!(!is_service("shop/reviews:9080", asked), "{asked}");
        }
    }

    #[test]
    fn an_identity_is_found_whole_or_by_namespace_and_account_alone() {
        let identity = "spiffe://cluster.local/ns/shop/sa/web";
        assert!(is_identity(identity, identity) && is_identity(identity, "/ns/shop/sa/web"));
        assert!(!is_identity(identity, "web") && !is_identity("", "/ns/shop/sa/web"));
        assert!(!is_identity(identity, "/ns/op/sa/web"));
    }

    #[test]
    fn a_status_is_one_or_a_class() {
        assert_eq!(Status::parse("404"), Some(Status::Code(404)));
        assert_eq!(Status::parse("5xx"), Some(Status::Class(5)));
        for bad in ["", "xx", "0xx", "12xx", "99", "1000", "4x", "-1", "ok"] {
            assert_eq!(Status::parse(bad), None, "{bad}");
        }
        assert!(Status::Class(5).is(599) && !Status::Class(5).is(499) && !Status::Code(404).is(400));
    }
}
