//! Speaks delta discovery: subscribes to what the table asks for, applies what comes, answers with ACK or NACK.

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};

use http::Uri;
use prost::Message;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{
    decode::{self, Reject},
    keep::Keep,
    stream::{Ended, Stream},
};
use crate::{
    backoff::Backoff,
    config::Config,
    identity::{Certs, SpiffeId},
    names::{DESTINATION_TYPE, REJECTS_TYPE, WORKLOAD_TYPE},
    rpc::{Authority, Connection},
    state::{Changes, Mesh, SharedTable, Subscription, Workload},
    tls,
    wire::{
        envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node, Resource},
        google::rpc,
        weft::v1 as wire,
    },
};

/// Keeps the mesh state current; [`Client::run`] it for as long as the proxy lives.
#[derive(Debug)]
pub struct Client {
    authority: Authority,
    control_plane: SpiffeId,
    uid: String,
    certs: Certs,
    table: SharedTable,
    workload: watch::Sender<Arc<Workload>>,
    workload_version: Option<String>,
    keep: Keep,
    link: watch::Sender<Link>,
    connection: watch::Sender<Option<Connection>>,
}

/// How things stand between this proxy and the control plane.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Link {
    /// The workload resource was received, or kept from a former life.
    pub workload_known: bool,
    /// A stream is open.
    pub connected: bool,
    /// Why there is no stream, or why the last one ended.
    pub last_error: Option<String>,
    /// Resources rejected and not replaced since, with reasons.
    pub rejected: HashMap<String, String>,
}

/// Subscriptions at most, while connections do not hold on to more.
const SUBSCRIPTIONS: usize = 1000;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Before the fingerprint of a root that this proxy trusts, in what it says of itself.
const ROOT_FEATURE: &str = "dev.weft.root.";
const FORGET_EVERY: Duration = Duration::from_secs(2);

// === impl Client ===

impl Client {
    /// A client with what a former life of the proxy kept, and the mesh handle it will keep current.
    pub fn new(config: &Config, certs: Certs) -> (Self, Mesh) {
        Self::with_cap(config, certs, SUBSCRIPTIONS)
    }

    pub(crate) fn with_cap(config: &Config, certs: Certs, cap: usize) -> (Self, Mesh) {
        let unconfigured = Workload::unconfigured(&config.pod.uid, config.identity());
        let mut client = Self {
            authority: Authority { host: config.control_plane_host.clone(), port: config.config_port },
            control_plane: config.control_plane_identity(),
            uid: config.pod.uid.clone(),
            certs,
            table: SharedTable::new(cap),
            workload: watch::channel(Arc::new(unconfigured)).0,
            workload_version: None,
            keep: Keep::new(&config.files.state),
            link: watch::channel(Link::default()).0,
            connection: watch::channel(None).0,
        };
        client.load();
        let mesh = Mesh::new(client.workload.subscribe(), client.table.clone());
        (client, mesh)
    }

    /// Follows how things stand with the control plane.
    pub fn link(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }

    /// The address that requests name.
    pub fn origin(&self) -> Uri {
        self.authority.origin()
    }

    /// Follows the connection that carries the stream, for what else is said to the control plane. Who holds it keeps it open.
    pub fn connection(&self) -> watch::Receiver<Option<Connection>> {
        self.connection.subscribe()
    }

    fn load(&mut self) {
        for resource in self.keep.load() {
            let Some(body) = &resource.resource else { continue };
            if body.type_url == WORKLOAD_TYPE && resource.name == self.uid {
                // A reject here means another proxy version wrote it: the control plane will send it anew.
                let _ = self.apply_workload(&resource.version, &body.value);
            } else if let Some(name) = Subscription::parse(&resource.name)
                && let Ok(destination) = decode::destination(&body.value)
            {
                self.table.load(name, &resource.version, Arc::new(destination));
            }
        }
    }

    /// Keeps a stream to the control plane open. Nothing is forgotten while there is none.
    pub async fn run(mut self) {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let Err(ended) = self.stream(&mut backoff).await;
            self.connection.send_replace(None);
            self.disconnected(&ended);
            sleep(backoff.pause()).await;
        }
    }

    /// One stream, from connecting to its end.
    async fn stream(&mut self, backoff: &mut Backoff) -> Result<Infallible, Ended> {
        let mut certs = self.certs.clone();
        certs.mark_seen();
        let (mut stream, connection) = self.open().await?;
        for request in self.first_requests() {
            stream.send(request).await?;
        }
        self.connection.send_replace(Some(connection));
        let mut forget = interval(FORGET_EVERY);
        forget.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                response = stream.response() => {
                    let response = response?;
                    backoff.reset();
                    self.connected();
                    let answer = self.handle(response);
                    stream.send(answer).await?;
                }
                changes = self.table.changes() => {
                    for request in self.requests_for(changes) {
                        stream.send(request).await?;
                    }
                }
                () = self.keep.due() => self.keep.flush(),
                () = certs.changed() => return Err(Ended::NewCertificate),
                _ = forget.tick() => self.table.forget_absent(),
            }
        }
    }

    async fn open(&self) -> Result<(Stream, Connection), Ended> {
        let certs = self.certs.current();
        let config =
            tls::config::client(certs.trust.clone(), self.control_plane.clone(), Some(certs.key.clone()));
        let connection = Connection::open(&self.authority, config).await?;
        Ok((Stream::new(connection.clone(), self.authority.origin()), connection))
    }

    fn connected(&self) {
        self.link.send_if_modified(|link| {
            let news = !link.connected;
            if news {
                tracing::info!(authority = %self.authority, subscriptions = self.table.len(), "configuration stream open");
            }
            (link.connected, link.last_error) = (true, None);
            news
        });
    }

    /// An end after a stream that worked is everyday; the first failure to open one is worth a warning, the next is not.
    fn disconnected(&self, ended: &Ended) {
        let reason = ended.to_string();
        self.link.send_if_modified(|link| {
            let repeated = link.last_error.as_ref() == Some(&reason);
            if link.connected {
                tracing::info!(reason, "configuration stream ended, opening another");
            } else if repeated {
                tracing::debug!(reason, "still no configuration stream");
            } else {
                tracing::warn!(reason, "no configuration stream, serving what is known");
            }
            let news = link.connected || !repeated;
            link.connected = false;
            link.last_error = Some(reason);
            news
        });
    }

    // --- requests ---

    /// Everything wanted, with the versions held: a stream continues where the last one ended.
    fn first_requests(&mut self) -> Vec<DeltaDiscoveryRequest> {
        // What was forgotten without a stream is not mentioned, but its file goes too.
        let forgotten = self.table.take_changes();
        self.requests_for(forgotten);
        // A changed bundle ends the stream, so that the next tells of it.
        let trust = self.certs.current().trust.clone();
        let node = Node {
            id: self.uid.clone(),
            client_features: trust
                .fingerprints()
                .iter()
                .map(|root| format!("{ROOT_FEATURE}{root}"))
                .collect(),
            user_agent_name: concat!("weft-proxy/", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        let held = self.workload_version.iter().map(|version| (self.uid.clone(), version.clone()));
        let workload = DeltaDiscoveryRequest {
            node: Some(node),
            type_url: WORKLOAD_TYPE.to_owned(),
            resource_names_subscribe: vec![self.uid.clone()],
            initial_resource_versions: held.collect(),
            ..Default::default()
        };
        let wanted = self.table.begin_stream();
        if wanted.is_empty() {
            return vec![workload];
        }
        let held = wanted
            .iter()
            .filter_map(|(name, version)| Some((name.to_string(), version.as_deref()?.to_owned())));
        let destinations = DeltaDiscoveryRequest {
            type_url: DESTINATION_TYPE.to_owned(),
            initial_resource_versions: held.collect(),
            resource_names_subscribe: wanted.iter().map(|(name, _)| name.to_string()).collect(),
            ..Default::default()
        };
        vec![workload, destinations]
    }

    /// Ends before beginnings, apart: an address may have been forgotten and asked for again meanwhile.
    fn requests_for(&mut self, changes: Changes) -> Vec<DeltaDiscoveryRequest> {
        let names = |names: Vec<Subscription>| names.iter().map(Subscription::to_string).collect::<Vec<_>>();
        let (ended, begun) = (names(changes.unsubscribe), names(changes.subscribe));
        for name in &ended {
            self.keep.remove(name);
            self.link.send_if_modified(|link| link.rejected.remove(name).is_some());
        }
        let request =
            || DeltaDiscoveryRequest { type_url: DESTINATION_TYPE.to_owned(), ..Default::default() };
        let mut requests = Vec::new();
        if !ended.is_empty() {
            requests.push(DeltaDiscoveryRequest { resource_names_unsubscribe: ended, ..request() });
        }
        if !begun.is_empty() {
            requests.push(DeltaDiscoveryRequest { resource_names_subscribe: begun, ..request() });
        }
        requests
    }

    // --- responses ---

    /// Applies what is good of a response and answers it: ACK, or NACK that names what was not.
    fn handle(&mut self, response: DeltaDiscoveryResponse) -> DeltaDiscoveryRequest {
        let mut rejects = Vec::new();
        for resource in &response.resources {
            let applied = self.apply(&response.type_url, resource);
            self.note(resource, applied.as_ref().err());
            match applied {
                Ok(true) => self.keep.put(resource),
                Ok(false) => {}
                Err(reason) => rejects.push(wire::Reject {
                    resource: resource.name.clone(),
                    version: resource.version.clone(),
                    reason: reason.to_string(),
                }),
            }
        }
        for name in &response.removed_resources {
            self.remove(&response.type_url, name);
        }
        DeltaDiscoveryRequest {
            type_url: response.type_url,
            response_nonce: response.nonce,
            error_detail: nack(rejects),
            ..Default::default()
        }
    }

    /// Says whether the resource is still wanted.
    fn apply(&mut self, type_url: &str, resource: &Resource) -> Result<bool, Reject> {
        let body = resource.resource.as_ref().ok_or_else(|| Reject::new("the resource has no body"))?;
        if body.type_url != type_url {
            return Err(Reject::new(format!("the body is a {}", body.type_url)));
        }
        match type_url {
            WORKLOAD_TYPE if resource.name == self.uid => self.apply_workload(&resource.version, &body.value),
            DESTINATION_TYPE => self.apply_destination(resource, &body.value),
            _ => Err(Reject::new("this proxy did not subscribe to it")),
        }
    }

    fn apply_workload(&mut self, version: &str, body: &[u8]) -> Result<bool, Reject> {
        let mut workload = decode::workload(body)?;
        workload.carry_on(&self.workload.borrow());
        // Connections compare rules only where there are others.
        let before = self.workload.borrow().access.clone();
        if let (Some(now), Some(before)) = (&workload.access, before)
            && now.says_the_same(&before)
        {
            workload.access = Some(before);
        }
        self.workload.send_replace(Arc::new(workload));
        self.workload_version = Some(version.to_owned());
        self.link.send_if_modified(|link| !std::mem::replace(&mut link.workload_known, true));
        Ok(true)
    }

    fn apply_destination(&self, resource: &Resource, body: &[u8]) -> Result<bool, Reject> {
        let name = Subscription::parse(&resource.name)
            .ok_or_else(|| Reject::new("the name is none of a destination"))?;
        match decode::destination(body) {
            Ok(destination) => Ok(self.table.apply(&name, &resource.version, Arc::new(destination))),
            Err(reason) => {
                self.table.reject(&name, &reason.to_string());
                Err(reason)
            }
        }
    }

    fn remove(&mut self, type_url: &str, name: &str) {
        if type_url != DESTINATION_TYPE {
            // The control plane does not know this pod yet: it will say when it does.
            tracing::debug!(name, "the control plane does not know this pod");
            return;
        }
        if let Some(subscription) = Subscription::parse(name) {
            self.table.remove(&subscription);
            self.keep.remove(name);
            self.link.send_if_modified(|link| link.rejected.remove(name).is_some());
        }
    }

    fn note(&self, resource: &Resource, rejected: Option<&Reject>) {
        self.link.send_if_modified(|link| match rejected {
            Some(reason) => {
                tracing::warn!(resource = resource.name, version = resource.version, %reason, "rejected");
                link.rejected.insert(resource.name.clone(), reason.to_string());
                true
            }
            None => link.rejected.remove(&resource.name).is_some(),
        });
    }
}

fn nack(rejects: Vec<wire::Reject>) -> Option<rpc::Status> {
    let first = rejects.first()?;
    let message = format!("{} rejected, first {}: {}", rejects.len(), first.resource, first.reason);
    let value = wire::Rejects { rejects }.encode_to_vec();
    Some(rpc::Status {
        code: tonic::Code::InvalidArgument as i32,
        message,
        details: vec![prost_types::Any { type_url: REJECTS_TYPE.to_owned(), value }],
    })
}

#[cfg(test)]
mod tests;
