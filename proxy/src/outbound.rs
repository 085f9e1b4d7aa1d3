//! From the application to others. The path of a connection, top to bottom:
//!
//! accept -> original destination -> what the mesh knows -> protocol -> HTTP: each request by [`request`];
//! bytes: [`opaque`]; not the mesh's: [`outside`]; an ingress controller's: [`ingress`].

mod admit;
mod affinity;
mod answer;
mod attempts;
mod balance;
mod balanced;
mod budget;
pub mod callout;
mod change;
mod choosing;
mod chosen;
mod compare;
mod cors;
mod dress;
mod ejection;
mod endpoint;
mod explain;
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
mod outside;
mod own_answer;
mod pass;
mod query;
mod reader;
mod request;
mod retry;
mod route;
mod said;
mod session;
mod split;
mod stages;
mod until_end;
mod view;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use self::callout::Callout;
use self::choosing::Choosing;
use self::ingress::IngressConnection;
use self::outside::{Ignorance, Outside};
use self::request::AppConnection;
use self::said::Said;
use crate::detect::{
    DETECT_TIMEOUT, QUIET, Sniffed, http_or, server_name, sniff_declared, sniff_once_spoken,
    sniff_undeclared, speaks_tls,
};
use crate::explain::Question;
use crate::http::farewell::{Farewell, drained};
use crate::http::{Wire, server};
use crate::state::{DestinationView, Protocol, Resolution, Subscription};
use crate::tcp::{Prefixed, ResetOnClose, Stream};
use crate::telemetry::Direction;
use crate::tls::hello::TLS_HANDSHAKE;
use crate::worker::ground::Worker;
use crate::worker::residents::Resident;

/// The outbound half of one worker.
#[derive(Debug)]
pub struct Outbound {
    choosing: Rc<Choosing>,
    /// What an ingress controller asks about hosts.
    host_questions: Rc<ingress::HostQuestions>,
    outside: Rc<Outside>,
}

// === impl Outbound ===

impl Outbound {
    pub(crate) fn new(worker: Rc<Worker>) -> Self {
        let choosing = Rc::new(Choosing::new(worker));
        Self { outside: Rc::new(Outside::new(choosing.clone())), choosing, host_questions: Rc::default() }
    }

    /// Lends the mesh to the inside: who calls a Service of it for the proxy itself, in either half.
    pub fn callout(&self) -> Callout {
        Callout::new(self.choosing.clone())
    }

    /// Carries one accepted connection until it ends.
    pub async fn connection(self: Rc<Self>, tcp: TcpStream) {
        let _in_flight = self.choosing.worker.drain.guard();
        let resident = match self.choosing.worker.entrance.residents.enter(Direction::Outbound, None) {
            Ok(resident) => Rc::new(resident),
            Err(refused) => {
                // As where nobody listens. Failing to say so means that the caller is gone.
                let _ = tcp.reset_on_close(true);
                return self.choosing.worker.metrics.error(Direction::Outbound, refused.reason());
            }
        };
        let original = match self.choosing.worker.dialled(&tcp) {
            Ok(original) => original,
            Err(error) => {
                tracing::debug!(%error, "refused an outbound connection");
                return self.choosing.worker.metrics.error(Direction::Outbound, error.reason());
            }
        };
        let wanted = match self.ingress() {
            true => Subscription::Endpoint(original, None),
            false => Subscription::Address(original),
        };
        match self.choosing.worker.mesh.destination(wanted).await {
            Resolution::Known(view) => self.known(tcp, original, view, resident).await,
            // Boxed here and below: what a connection may turn out to be must not make each one larger.
            Resolution::Unknown => {
                let outside = self.outside.clone();
                Box::pin(outside.connection(tcp, original, Ignorance::Unknown, resident)).await;
            }
            Resolution::Unreachable => {
                let outside = self.outside.clone();
                Box::pin(outside.connection(tcp, original, Ignorance::Unreachable, resident)).await;
            }
            Resolution::Rejected(reason) => {
                Box::pin(pass::rejected(&self.choosing.worker, tcp, original, reason)).await;
            }
        }
    }

    /// Forgets what nobody uses, and looks after the rest; called about once a second, `elapsed` after last time.
    pub fn sweep(&self, elapsed: Duration) {
        self.choosing.sweep(elapsed);
        self.outside.sweep();
    }

    /// What the balancers weigh now, for a person.
    pub fn view(&self) -> serde_json::Value {
        view::destinations(&self.choosing.destinations)
    }

    /// What would become of a request.
    pub async fn explain(&self, question: &Question) -> serde_json::Value {
        explain::explain(&self.choosing, question).await
    }

    /// Whether the pod is an ingress controller.
    fn ingress(&self) -> bool {
        self.choosing.worker.own_pod.current().ingress_mode
    }

    async fn known(
        self: Rc<Self>,
        mut tcp: TcpStream,
        original: SocketAddr,
        mut view: DestinationView,
        resident: Rc<Resident>,
    ) {
        let mut seen = BytesMut::new();
        let destination = view.current();
        let protocol = destination.protocol;
        let originates_tls = destination.originates_tls();
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
                let Ok(sniffed) = timeout(QUIET, sniff_undeclared(&mut tcp, &mut seen)).await else {
                    return Box::pin(self.silent(tcp, seen, original, view, resident)).await;
                };
                sniffed.unwrap_or(Sniffed::Opaque)
            }
            // What is declared HTTP is looked at only to tell HTTP/1.1 from HTTP/2.
            Protocol::Http1 => http_or(Sniffed::Http1, sniff_declared(&mut tcp, &mut seen).await),
            Protocol::Http2 => http_or(Sniffed::Http2, sniff_declared(&mut tcp, &mut seen).await),
        };
        if sniffed != Sniffed::Opaque && seen.first() == Some(&TLS_HANDSHAKE) {
            // Its name or `appProtocol` says HTTP, and its callers speak TLS: `https` would be right.
            self.choosing.worker.metrics.error(Direction::Outbound, "tls-on-http-port");
        }
        let mut said = Said { sniffed, server_name, own_tls: false };
        if sniffed == Sniffed::Opaque && originates_tls {
            if seen.is_empty() {
                return Box::pin(self.silent(tcp, seen, original, view, resident)).await;
            }
            said.own_tls =
                Box::pin(timeout(DETECT_TIMEOUT, speaks_tls(&mut tcp, &mut seen))).await.unwrap_or(false);
        }
        let stream = Prefixed::new(seen.freeze(), tcp).into();
        self.spoken(stream, said, original, view, resident).await;
    }

    /// The caller says nothing: perhaps it waits for the server. Both are listened to, and who speaks first decides, whenever that is.
    async fn silent(
        self: Rc<Self>,
        mut tcp: TcpStream,
        mut seen: BytesMut,
        original: SocketAddr,
        mut view: DestinationView,
        resident: Rc<Resident>,
    ) {
        if view.current().originates_tls() {
            return self.awaited(tcp, seen, original, view, resident).await;
        }
        let live = self.choosing.live(view.current());
        // Where no upstream can be opened the caller may still turn out to speak HTTP, and be told why.
        let mut opened = opaque::open(&self.choosing, &live, None, false).await.ok();
        let longest = match &opened {
            // As where nobody listens.
            None => Some(DETECT_TIMEOUT.saturating_sub(QUIET)),
            Some(opened) => opened.longest_silence(&live),
        };
        let longest = async {
            match longest {
                Some(longest) => sleep(longest).await,
                None => std::future::pending().await,
            }
        };
        let mut greeting = BytesMut::new();
        let sniffed = tokio::select! {
            sniffed = sniff_once_spoken(&mut tcp, &mut seen) => sniffed,
            () = opaque::spoke_first(&mut opened, &mut greeting) => Sniffed::Opaque,
            () = longest => Sniffed::Opaque,
        };
        let stream = Prefixed::new(seen.freeze(), tcp).into();
        match opened {
            Some(opened) if sniffed == Sniffed::Opaque => {
                opaque::join(&self.choosing, stream, opened.after(greeting.freeze()), &live).await;
            }
            _ => self.spoken(stream, Said::only(sniffed), original, view, resident).await,
        }
    }

    /// The caller says nothing, and whether it speaks TLS of its own decides what its server is sent first. So the caller has the
    /// first word, as in TLS itself, whenever that is.
    async fn awaited(
        self: Rc<Self>,
        mut tcp: TcpStream,
        mut seen: BytesMut,
        original: SocketAddr,
        mut view: DestinationView,
        resident: Rc<Resident>,
    ) {
        let declared = view.current().protocol == Protocol::Opaque;
        let mut said = Said::only(Sniffed::Opaque);
        if !declared {
            said.sniffed = sniff_once_spoken(&mut tcp, &mut seen).await;
        } else if seen.is_empty() && tcp.read_buf(&mut seen).await.unwrap_or_default() == 0 {
            // It came and went.
            return;
        }
        if said.sniffed == Sniffed::Opaque {
            let own_tls = timeout(DETECT_TIMEOUT, speaks_tls(&mut tcp, &mut seen)).await;
            said.own_tls = own_tls.unwrap_or(false);
        }
        let stream = Prefixed::new(seen.freeze(), tcp).into();
        self.spoken(stream, said, original, view, resident).await;
    }

    async fn spoken(
        self: Rc<Self>,
        stream: Stream,
        said: Said,
        original: SocketAddr,
        mut view: DestinationView,
        resident: Rc<Resident>,
    ) {
        let wire = match said.sniffed {
            Sniffed::Http1 => Wire::H1,
            Sniffed::Http2 => Wire::H2,
            Sniffed::Opaque => {
                let live = self.choosing.live(view.current());
                return Box::pin(opaque::carry(&self.choosing, stream, &live, &said)).await;
            }
        };
        let ingress = self.ingress();
        let followed = view.clone();
        let goaways = self.choosing.worker.metrics.goaways.clone();
        let drain = self.choosing.worker.drain.clone();
        // Boxed: it is moved through several futures, each of which would have room for it.
        let asked = resident.clone();
        let farewell = Box::pin(async move {
            tokio::select! {
                farewell = drained(&drain) => farewell,
                () = followed.gone() => Farewell::Gone,
                () = asked.asked_to_go() => Farewell::Shed,
            }
        });
        let connection = Rc::new(AppConnection::new(self.choosing.clone(), original, view, wire, resident));
        let ingress = ingress.then(|| {
            let (choosing, questions) = (self.choosing.clone(), self.host_questions.clone());
            Rc::new(IngressConnection::new(choosing, questions, original, connection.clone(), wire))
        });
        let refusing = connection.clone();
        let refuse = move |bad| refusing.refuse(bad);
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
        // The application may outlive this proxy, whose container is replaced under it: its pools are told in time.
        if let Err(error) = server::serve(stream, wire, respond, refuse, farewell, &goaways).await {
            tracing::debug!(%error, %original, "an outbound HTTP connection failed");
        }
    }
}
