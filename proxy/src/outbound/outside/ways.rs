//! Where hosts outside the mesh are: asked for by this proxy, kept for a while, and told to the connections that lead there.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use crate::egress::lookup::NoAddress;
use crate::egress::{ExternalService, HostName, Lookup, Originate, Speaks};
use crate::outbound::pass::UNJUDGED;
use crate::state::{
    Actions, Backend, Destination, DestinationSender, DestinationView, Endpoint, Host, LoadBalancer,
    Protocol, Rewrite, Route, SessionKey, Target, TargetKind, WeightedBackend,
};
use crate::tls::Origin;

/// How long an answer counts. The C library does not tell how long it would.
const FRESH: Duration = Duration::from_secs(30);
/// How long it counts where nobody gives another.
const STALE: Duration = Duration::from_secs(60 * 60);
/// How long it is kept that nobody asks for.
const KEPT: Duration = Duration::from_secs(10 * 60);
/// Ways of a worker; the one that was asked for longest ago goes first.
const MOST_WAYS: usize = 256;
/// Questions of a worker that are under way: each takes a thread.
const LOOKUPS: usize = 8;
/// The port that URIs of `https` need not name.
const HTTPS: u16 = 443;

/// What leads outside.
#[derive(Debug)]
pub struct Ways {
    lookup: Lookup,
    lookups: Semaphore,
    known: RefCell<HashMap<Key, Rc<Way>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    service: Arc<str>,
    /// `None`: whatever is asked for there.
    host: Option<HostName>,
    speaks: Speaks,
    to: To,
    /// The TLS that requests get around them.
    tls: Option<Originate>,
}

/// What decides the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum To {
    /// The name, for callers that use this family.
    Name { port: u16, ipv4: bool, private: bool },
    /// The application: its address is declared.
    Dialled(SocketAddr),
}

#[derive(Debug)]
struct Way {
    used: Cell<Instant>,
    /// Locked while somebody asks: the others wait for the same answer.
    heard: Mutex<Heard>,
}

/// What was answered.
#[derive(Debug, Default)]
struct Heard {
    answer: Option<Answer>,
    /// The last time that there was none to follow, and why.
    failed: Option<(Instant, NoAddress)>,
}

#[derive(Debug)]
struct Answer {
    at: Instant,
    /// Until when nobody asks again.
    until: Instant,
    addresses: Vec<SocketAddr>,
    view: DestinationView,
    sender: DestinationSender,
}

// === impl Ways ===

impl Ways {
    pub fn new(lookup: Lookup) -> Self {
        Self { lookup, lookups: Semaphore::new(LOOKUPS), known: RefCell::default() }
    }

    /// The way to `host`, which `service` lets out.
    pub async fn to(
        &self,
        service: &ExternalService,
        speaks: Speaks,
        host: &HostName,
        dialled: SocketAddr,
    ) -> Result<DestinationView, NoAddress> {
        let tls = service.originates(dialled.port()).filter(|_| speaks == Speaks::Http).cloned();
        let dialled = SocketAddr::new(dialled.ip(), tls.as_ref().map_or(dialled.port(), |tls| tls.to));
        let to = match service.addresses.is_empty() {
            true => {
                To::Name { port: dialled.port(), ipv4: dialled.is_ipv4(), private: service.private_addresses }
            }
            false => To::Dialled(dialled),
        };
        self.by(Key { service: service.name.clone(), host: Some(host.clone()), speaks, to, tls }, dialled)
            .await
    }

    /// The way of requests that nobody judges, to where the application dialled.
    pub async fn unjudged(&self, dialled: SocketAddr) -> Result<DestinationView, NoAddress> {
        let (to, speaks) = (To::Dialled(dialled), Speaks::Http);
        self.by(Key { service: UNJUDGED.into(), host: None, speaks, to, tls: None }, dialled).await
    }

    async fn by(&self, key: Key, dialled: SocketAddr) -> Result<DestinationView, NoAddress> {
        let way = self.way(&key);
        let came = Instant::now();
        let mut heard = way.heard.lock().await;
        let Heard { answer, failed } = &mut *heard;
        // Another has asked meanwhile, and for all who waited.
        if let Some((at, error)) = failed
            && *at > came
        {
            return Err(error.clone());
        }
        let now = Instant::now();
        if let Some(answer) = answer.as_ref().filter(|answer| now < answer.until) {
            return Ok(answer.view.clone());
        }
        match (self.addresses(&key, dialled).await, answer.as_mut()) {
            (Ok(addresses), Some(before)) => {
                if before.addresses != addresses {
                    before.sender.is_now(destination(&key, &addresses));
                    before.addresses = addresses;
                }
                (before.at, before.until) = (Instant::now(), Instant::now() + FRESH);
                Ok(before.view.clone())
            }
            (Ok(addresses), None) => {
                let (view, sender) = DestinationView::told(destination(&key, &addresses));
                let at = Instant::now();
                *answer = Some(Answer { at, until: at + FRESH, addresses, view: view.clone(), sender });
                Ok(view)
            }
            // Nobody answers. An answer that must not be followed is one all the same.
            (Err(NoAddress::Unresolved(_)), Some(before)) if now < before.at + STALE => {
                before.until = Instant::now() + FRESH;
                Ok(before.view.clone())
            }
            (Err(error), _) => {
                *answer = None;
                *failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Forgets what nobody asks for.
    pub fn sweep(&self) {
        self.known.borrow_mut().retain(|_, way| way.used.get().elapsed() < KEPT);
    }

    fn way(&self, key: &Key) -> Rc<Way> {
        let mut known = self.known.borrow_mut();
        if let Some(way) = known.get(key) {
            way.used.set(Instant::now());
            return way.clone();
        }
        if known.len() >= MOST_WAYS
            && let Some(oldest) =
                known.iter().min_by_key(|(_, way)| way.used.get()).map(|(key, _)| key.clone())
        {
            known.remove(&oldest);
        }
        let way = Rc::new(Way { used: Cell::new(Instant::now()), heard: Mutex::default() });
        known.insert(key.clone(), way.clone());
        way
    }

    async fn addresses(&self, key: &Key, dialled: SocketAddr) -> Result<Vec<SocketAddr>, NoAddress> {
        let (host, private) = match (key.to, &key.host) {
            (To::Name { private, .. }, Some(host)) => (host, private),
            _ => return Ok(vec![dialled]),
        };
        // It is never closed.
        let _turn = self.lookups.acquire().await;
        self.lookup.addresses(host, dialled, private).await
    }
}

/// What is at these addresses, as any other destination: bytes or requests as they come.
fn destination(key: &Key, addresses: &[SocketAddr]) -> Arc<Destination> {
    let (port, how) = match key.to {
        To::Name { port, ipv4: true, .. } => (port, "ipv4".to_owned()),
        To::Name { port, ipv4: false, .. } => (port, "ipv6".to_owned()),
        To::Dialled(address) => (address.port(), address.ip().to_string()),
    };
    let endpoint = |addr: &SocketAddr| {
        let (peer, network, zone, node) = (None, None, None, None);
        let weight = Endpoint::USUAL_WEIGHT;
        Arc::new(Endpoint { addr: *addr, peer, network, zone, node, opaque: false, weight })
    };
    let (namespace, name) = key.service.split_once('/').unwrap_or(("", &key.service));
    let split = vec![WeightedBackend { backend: 0, weight: 1, ..WeightedBackend::default() }];
    let host = key.host.as_ref().map_or_else(|| how.clone(), ToString::to_string);
    let actions = key.tls.as_ref().and_then(|_| as_in_https(&host, port));
    Arc::new(Destination {
        key: format!("external/{}/{host}:{port},{how}/{:?}", key.service, key.speaks).into(),
        target: Target {
            kind: TargetKind::External,
            namespace: namespace.into(),
            name: name.into(),
            // Of a declaration, where there is one.
            port: key.tls.as_ref().map_or(port, |tls| tls.port),
        },
        protocol: if key.speaks == Speaks::Http { Protocol::Http1 } else { Protocol::Opaque },
        routes: vec![Route { name: "external".into(), split, actions, ..Route::default() }],
        backends: vec![Arc::new(Backend {
            name: format!("{host}:{port}").into(),
            endpoints: addresses.iter().map(endpoint).collect(),
            tls: key.tls.as_ref().map(|tls| Arc::new(Origin::new(tls.demand.clone(), &host))),
            ..Backend::default()
        })],
        load_balancer: LoadBalancer::default(),
        outliers: None,
        limits: None,
        session_key: SessionKey::default(),
        sampling: None,
        access_log: None,
    })
}

/// Requests name their host as those for `https` would, whose port is another than the one that the application knows.
fn as_in_https(host: &str, port: u16) -> Option<Box<Actions>> {
    let text = if port == HTTPS { host.to_owned() } else { format!("{host}:{port}") };
    let host = Host { value: HeaderValue::from_str(&text).ok()?, authority: text.parse().ok()? };
    let rewrite = Some(Rewrite { host: Some(host), path: None });
    Some(Box::new(Actions { rewrite, ..Actions::default() }))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as SharedMutex;

    use super::*;
    use crate::egress::HostPattern;
    use crate::egress::lookup::Names;

    fn service() -> ExternalService {
        ExternalService {
            name: "shop/api".into(),
            hosts: vec![HostPattern::parse("*.example").unwrap()],
            ports: vec![(443, Speaks::Tls)],
            tls: Vec::new(),
            addresses: Vec::new(),
            private_addresses: false,
            permitted: true,
        }
    }

    fn leads(names: &SharedMutex<Names>, to: Option<[u8; 4]>) {
        let mut names = names.lock().unwrap();
        names.clear();
        if let Some(ip) = to {
            names.insert("a.example".to_owned(), vec![(ip.into(), (ip, 443).into())]);
        }
    }

    fn endpoints(view: &mut DestinationView) -> Vec<SocketAddr> {
        view.current().backends[0].endpoints.iter().map(|endpoint| endpoint.addr).collect()
    }

    const DIALLED: [u8; 4] = [198, 18, 0, 1];

    #[tokio::test(start_paused = true)]
    async fn an_answer_counts_for_a_while_and_the_next_reaches_those_who_have_the_way() {
        let names = Arc::new(SharedMutex::default());
        let ways = Ways::new(Lookup::Fixed(names.clone()));
        let host = HostName::parse("a.example").unwrap();
        let service = service();
        let ask = async || ways.to(&service, Speaks::Tls, &host, (DIALLED, 443).into()).await;
        assert!(matches!(ask().await, Err(NoAddress::Unresolved(_))));
        leads(&names, Some([1, 1, 1, 1]));
        let mut view = ask().await.unwrap();
        assert_eq!(endpoints(&mut view), [([1, 1, 1, 1], 443).into()], "not where the application dialled");
        leads(&names, Some([2, 2, 2, 2]));
        ask().await.unwrap();
        assert_eq!(endpoints(&mut view), [([1, 1, 1, 1], 443).into()]);
        tokio::time::advance(FRESH).await;
        ask().await.unwrap();
        assert_eq!(endpoints(&mut view), [([2, 2, 2, 2], 443).into()]);
        assert!(ask().await.unwrap().is_told_as(&view));
        // Nobody answers: what was known holds for a while.
        leads(&names, None);
        tokio::time::advance(FRESH).await;
        assert!(ask().await.is_ok());
        tokio::time::advance(STALE).await;
        assert!(matches!(ask().await, Err(NoAddress::Unresolved(_))));
        leads(&names, Some([3, 3, 3, 3]));
        let again = ask().await.unwrap();
        assert!(!again.is_told_as(&view), "who has the way that was forgotten is told nothing any more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_turns_inwards_is_followed_no_more() {
        let names = Arc::new(SharedMutex::default());
        let ways = Ways::new(Lookup::Fixed(names.clone()));
        let host = HostName::parse("a.example").unwrap();
        let open = ExternalService { private_addresses: true, ..service() };
        let ask = async |service: &ExternalService| {
            ways.to(service, Speaks::Tls, &host, (DIALLED, 443).into())
                .await
                .map(|mut view| endpoints(&mut view))
        };
        leads(&names, Some([1, 1, 1, 1]));
        assert!(ask(&service()).await.is_ok());
        leads(&names, Some([10, 0, 0, 1]));
        tokio::time::advance(FRESH).await;
        assert!(
            matches!(ask(&service()).await, Err(NoAddress::NotPublic)),
            "what was known does not stand in"
        );
        assert_eq!(ask(&open).await.unwrap(), [([10, 0, 0, 1], 443).into()]);
        assert!(matches!(ask(&service()).await, Err(NoAddress::NotPublic)), "each by its own declaration");
    }

    #[tokio::test]
    async fn where_addresses_are_declared_the_application_chooses_and_nobody_is_asked() {
        let ways = Ways::new(Lookup::Fixed(Arc::default()));
        let host = HostName::parse("a.example").unwrap();
        let pinned = ExternalService {
            addresses: vec![crate::access::IpBlock::new([198, 18, 0, 0].into(), 16).unwrap()],
            ..service()
        };
        let mut view = ways.to(&pinned, Speaks::Tls, &host, (DIALLED, 443).into()).await.unwrap();
        assert_eq!(endpoints(&mut view), [(DIALLED, 443).into()]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_names_are_looked_up_at_once_than_may_be() {
        let names = Arc::new(SharedMutex::default());
        leads(&names, Some([1, 1, 1, 1]));
        let ways = Ways::new(Lookup::Fixed(names));
        let host = HostName::parse("a.example").unwrap();
        let service = service();
        let others = ways.lookups.try_acquire_many(LOOKUPS as u32).unwrap();
        let mut waiting = Box::pin(ways.to(&service, Speaks::Tls, &host, (DIALLED, 443).into()));
        assert!(tokio::time::timeout(Duration::from_secs(60), &mut waiting).await.is_err());
        drop(others);
        assert!(waiting.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_while_a_name_is_asked_for_in_vain_does_not_ask_again() {
        let names = Arc::new(SharedMutex::default());
        let ways = Ways::new(Lookup::Fixed(names.clone()));
        let host = HostName::parse("a.example").unwrap();
        let service = service();
        let ask = async || ways.to(&service, Speaks::Tls, &host, (DIALLED, 443).into()).await;
        let others = ways.lookups.try_acquire_many(LOOKUPS as u32).unwrap();
        let first = async {
            let answer = ask().await;
            leads(&names, Some([1, 1, 1, 1]));
            answer
        };
        let release = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(others);
        };
        let (first, second, ()) = tokio::join!(first, ask(), release);
        assert!(matches!((first, second), (Err(_), Err(_))), "one question, and one answer for both");
        assert!(ask().await.is_ok(), "who comes later asks");
    }

    #[tokio::test(start_paused = true)]
    async fn ways_are_bounded_and_forgotten() {
        let ways = Ways::new(Lookup::Fixed(Arc::default()));
        for number in 0..=MOST_WAYS {
            let host = HostName::parse(&format!("h{number}.example")).unwrap();
            let _ = ways.to(&service(), Speaks::Tls, &host, (DIALLED, 443).into()).await;
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert_eq!(ways.known.borrow().len(), MOST_WAYS);
        assert!(
            !ways
                .known
                .borrow()
                .keys()
                .any(|key| key.host.as_ref().is_some_and(|host| host.as_str() == "h0.example")),
            "the oldest went"
        );
        tokio::time::advance(KEPT).await;
        ways.sweep();
        assert_eq!(ways.known.borrow().len(), 0);
    }
}
