//! From the application to others. The path of a connection, top to bottom:
//!
//! accept -> original destination -> what the mesh knows -> protocol -> HTTP: each request by [`request`];
//! bytes: [`opaque`]; not the mesh's: [`pass`]; an ingress controller's: [`ingress`].

mod admit;
mod attempts;
mod balance;
mod balanced;
mod budget;
mod change;
mod cors;
mod ejection;
mod fault;
mod gate;
mod gradient;
mod hedge;
mod ingress;
mod latencies;
mod live;
mod mirror;
mod opaque;
mod outliers;
mod own_answer;
mod pass;
mod query;
mod request;
mod rest;
mod retry;
mod route;
mod session;
mod split;
mod upgrade;
mod view;

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use self::balance::group::Asked;
use self::balance::two_choices;
use self::live::Live;
use self::outliers::Advice;
use crate::detect::{DETECT_TIMEOUT, QUIET, Sniffed, server_name, sniff};
use crate::http::{Upstreams, Wire, server};
use crate::state::{Destination, DestinationView, Protocol, Resolution, Subscription};
use crate::tcp::{Prefixed, Stream};
use crate::telemetry::Direction;
use crate::worker::Worker;

/// The outbound half of one worker.
#[derive(Debug)]
pub struct Outbound {
    worker: Rc<Worker>,
    upstreams: Upstreams,
    destinations: live::Destinations,
    questions: ingress::Questions,
    rng: RefCell<fastrand::Rng>,
    mirrors: mirror::InFlight,
    started: Instant,
}

// === impl Outbound ===

impl Outbound {
    pub(crate) fn new(worker: Rc<Worker>) -> Self {
        let upstreams = worker.upstreams();
        Self {
            worker,
            upstreams,
            destinations: live::Destinations::default(),
            questions: ingress::Questions::default(),
            rng: RefCell::new(fastrand::Rng::new()),
            mirrors: mirror::InFlight::default(),
            started: Instant::now(),
        }
    }

    /// Carries one accepted connection until it ends.
    pub async fn connection(self: Rc<Self>, tcp: TcpStream) {
        let _in_flight = self.worker.drain.guard();
        let original = match self.worker.original_destination(&tcp) {
            Ok(original) => original,
            Err(error) => {
                tracing::debug!(%error, "refused an outbound connection");
                return self.worker.metrics.error(Direction::Outbound, "not-captured");
            }
        };
        let wanted = match self.ingress() {
            true => Subscription::Endpoint(original, None),
            false => Subscription::Address(original),
        };
        match self.worker.mesh.destination(wanted).await {
            Resolution::Known(view) => self.known(tcp, original, view).await,
            // Boxed here and below: what a connection may turn out to be must not make each one larger.
            Resolution::Unknown => Box::pin(pass::unknown(&self.worker, tcp, original)).await,
            Resolution::Unreachable => Box::pin(pass::unreachable(&self.worker, tcp, original)).await,
            Resolution::Rejected(reason) => {
                Box::pin(pass::rejected(&self.worker, tcp, original, reason)).await;
            }
        }
    }

    /// Forgets what nobody uses, and looks after the rest; called about once a second, `elapsed` after last time.
    pub fn sweep(&self, elapsed: Duration) {
        self.destinations.sweep(elapsed);
        self.upstreams.sweep();
    }

    /// What the balancers weigh now, for a person.
    pub fn view(&self) -> serde_json::Value {
        self.destinations.view()
    }

    /// The endpoint of `backend` for the next request or connection; what `asked` has tried is avoided where there is
    /// another, and so is what is ejected.
    fn pick(&self, live: &Live, backend: usize, asked: Asked<'_>) -> usize {
        match live.advice(backend, asked.failed) {
            None => self.balance(live, backend, asked),
            Some(Advice::Take(index)) => index,
            Some(Advice::Avoid(indexes)) => self.balance(live, backend, Asked { failed: &indexes, ..asked }),
        }
    }

    /// The endpoint that balancing chooses. Where it chose one that cannot be reached, since it looked at no other that
    /// can, it chooses among those that can.
    fn balance(&self, live: &Live, backend: usize, asked: Asked<'_>) -> usize {
        let now = Instant::now();
        let index = self.choose(live, backend, asked, now);
        let endpoints = &live.backends[backend];
        let is_gone = |index: usize| endpoints[index].upstream.load.is_unreachable(now);
        if !is_gone(index)
            || (0..endpoints.len()).all(|index| is_gone(index) || asked.failed.contains(&index))
        {
            return index;
        }
        let gone = (0..endpoints.len()).filter(|index| is_gone(*index) && !asked.failed.contains(index));
        let failed: Vec<_> = gone.chain(asked.failed.iter().copied()).collect();
        self.choose(live, backend, Asked { failed: &failed, ..asked }, now)
    }

    fn choose(&self, live: &Live, backend: usize, asked: Asked<'_>, now: Instant) -> usize {
        let endpoints = &live.backends[backend];
        let rng = &mut self.rng.borrow_mut();
        let index = match &live.balanced[backend] {
            None => {
                let cost = |index: usize| endpoints[index].upstream.load.cost(now);
                two_choices::pick(endpoints.len(), asked.failed, cost, rng)
            }
            Some(balanced) => balanced.pick(endpoints, asked, now, rng),
        };
        index.expect("a backend without endpoints was refused before")
    }

    /// The live form of a destination.
    fn live(&self, destination: &Arc<Destination>) -> Rc<Live> {
        let place = live::Place { upstreams: &self.upstreams, worker: &self.worker, started: self.started };
        self.destinations.get(destination, &place)
    }

    /// Whether the pod is an ingress controller.
    fn ingress(&self) -> bool {
        self.worker.workload.borrow().ingress_mode
    }

    /// Whether this proxy names itself in what it forwards.
    fn names_itself(&self) -> bool {
        self.worker.workload.borrow().via
    }

    /// The address of the pod that calls: this proxy's own.
    fn caller(&self) -> Option<IpAddr> {
        self.worker.own_ips().first().copied()
    }

    /// Time since this worker began.
    fn clock(&self) -> Duration {
        self.started.elapsed()
    }

    async fn known(self: Rc<Self>, mut tcp: TcpStream, original: SocketAddr, mut view: DestinationView) {
        let mut seen = BytesMut::new();
        let destination = view.current();
        let protocol = destination.protocol;
        let server_name = match protocol {
            Protocol::Opaque | Protocol::Unknown if destination.asks_for_server_names() => {
                timeout(DETECT_TIMEOUT, server_name(&mut tcp, &mut seen)).await.unwrap_or_default()
            }
            _ => None,
        };
        let sniffed = match protocol {
            Protocol::Opaque => Sniffed::Opaque,
            Protocol::Unknown if server_name.is_some() => Sniffed::Opaque,
            Protocol::Unknown => {
                let Ok(sniffed) = timeout(QUIET, sniff(&mut tcp, &mut seen)).await else {
                    return Box::pin(self.silent(tcp, seen, original, view)).await;
                };
                sniffed.unwrap_or(Sniffed::Opaque)
            }
            // What is declared HTTP is waited for without end, and looked at only to tell HTTP/1.1 from HTTP/2.
            Protocol::Http1 => http_or(Sniffed::Http1, sniff(&mut tcp, &mut seen).await),
            Protocol::Http2 => http_or(Sniffed::Http2, sniff(&mut tcp, &mut seen).await),
        };
        let stream = Prefixed::new(seen.freeze(), tcp).into();
        self.spoken(stream, sniffed, server_name, original, view).await;
    }

    /// The caller says nothing: perhaps it waits for the server. Both are listened to, and who speaks first decides.
    async fn silent(
        self: Rc<Self>,
        mut tcp: TcpStream,
        mut seen: BytesMut,
        original: SocketAddr,
        mut view: DestinationView,
    ) {
        let live = self.live(view.current());
        // Where no upstream can be opened the caller may still turn out to speak HTTP, and be told why.
        let opened = opaque::open(&self, &live, None).await.ok();
        let mut opened = opened;
        let mut greeting = BytesMut::new();
        let sniffed = tokio::select! {
            sniffed = sniff(&mut tcp, &mut seen) => sniffed.unwrap_or(Sniffed::Opaque),
            () = opaque::spoke_first(&mut opened, &mut greeting) => Sniffed::Opaque,
            () = sleep(DETECT_TIMEOUT.saturating_sub(QUIET)) => Sniffed::Opaque,
        };
        let stream = Prefixed::new(seen.freeze(), tcp).into();
        match opened {
            Some(opened) if sniffed == Sniffed::Opaque => {
                opaque::join(&self, stream, opened.after(greeting.freeze()), &live).await;
            }
            _ => self.spoken(stream, sniffed, None, original, view).await,
        }
    }

    async fn spoken(
        self: Rc<Self>,
        stream: Stream,
        sniffed: Sniffed,
        server_name: Option<String>,
        original: SocketAddr,
        mut view: DestinationView,
    ) {
        let wire = match sniffed {
            Sniffed::Http1 => Wire::H1,
            Sniffed::Http2 => Wire::H2,
            Sniffed::Opaque => {
                let live = self.live(view.current());
                return Box::pin(opaque::carry(&self, stream, &live, server_name.as_deref())).await;
            }
        };
        let ingress = self.ingress();
        let connection = Rc::new(request::Connection::new(self.clone(), original, view, wire));
        let ingress =
            ingress.then(|| Rc::new(ingress::Connection::new(self, original, connection.clone(), wire)));
        let respond = move |request| {
            let (connection, ingress) = (connection.clone(), ingress.clone());
            async move {
                match ingress {
                    None => connection.respond(request).await,
                    // Boxed: rare, and would make the future of every request larger.
                    Some(ingress) => Box::pin(async move { ingress.respond(request).await }).await,
                }
            }
        };
        // The application ends its own connections when it ends; a drain concerns callers of this pod.
        if let Err(error) = server::serve(stream, wire, respond, None).await {
            tracing::debug!(%error, %original, "an outbound HTTP connection failed");
        }
    }
}

/// HTTP whatever the bytes say; what is malformed is told so in HTTP.
fn http_or(declared: Sniffed, sniffed: std::io::Result<Sniffed>) -> Sniffed {
    match sniffed {
        Ok(Sniffed::Opaque) | Err(_) => declared,
        Ok(http) => http,
    }
}
