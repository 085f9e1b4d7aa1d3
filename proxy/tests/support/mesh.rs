//! Pods with the real proxy in them. Each has a stand-in for the control plane on its own loopback, which every pod's
//! capture leaves alone; all of them share one identity authority.

use std::fs::{self, File};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use weft_proxy::admin::client::{self, Answer};
use weft_proxy::names;
use weft_proxy::test_util::{ControlPlane, TestCa};
use weft_proxy::wire::weft::v1::{
    Backend, Destination, Endpoint, MtlsMode, OutboundPolicy, Protocol, Route, Target, WeightedBackend,
    Workload, target,
};

use super::netns::{Network, PROGRAM, PROXY, Pod, Running};

const STARTS_WITHIN: Duration = Duration::from_secs(20);
/// Where the webhook mounts what the proxy reads and keeps.
const MOUNT: &str = "/run/weft";

/// A network whose pods trust each other.
pub struct Mesh {
    pub network: Network,
    ca: Arc<TestCa>,
}

/// A pod with a proxy. Fields drop in order: first the proxy ends, then what it talks to.
pub struct Member {
    proxy: Proxy,
    pub plane: Arc<ControlPlane>,
    _plane: Running,
    pub pod: Pod,
    pub account: &'static str,
}

/// How a member is set up.
#[derive(Clone)]
pub struct Setup {
    pub account: &'static str,
    /// As the webhook would write it.
    pub probes: String,
    pub drain_seconds: u32,
    pub workload: Workload,
    pub init: Vec<&'static str>,
    pub log: &'static str,
}

struct Proxy {
    child: Child,
    directory: TempDir,
}

// === impl Mesh ===

impl Mesh {
    pub fn new() -> Self {
        Self { network: Network::new(), ca: Arc::new(TestCa::new("cluster.local")) }
    }

    /// A pod without a proxy.
    pub fn stranger(&self) -> Pod {
        self.network.pod()
    }

    /// A pod with a ready proxy.
    pub fn member(&self, account: &'static str) -> Member {
        self.member_with(Setup::new(account))
    }

    pub fn member_with(&self, setup: Setup) -> Member {
        let pod = self.network.pod();
        pod.init(&setup.init);
        let (plane, running) = self.control_plane(&pod, setup.account);
        plane.set_workload(&uid(setup.account), "1", &setup.workload);
        let proxy = Proxy::start(&pod, &plane, &setup);
        let member = Member { proxy, plane, _plane: running, pod, account: setup.account };
        member.wait_until_ready();
        member
    }

    fn control_plane(&self, pod: &Pod, account: &'static str) -> (Arc<ControlPlane>, Running) {
        let (sender, receiver) = mpsc::channel();
        let ca = self.ca.clone();
        let running = pod.start(0, move |started| async move {
            let subject = ca.id("shop", account);
            sender.send(Arc::new(ControlPlane::start_for(ca, subject).await)).unwrap();
            started.send(()).unwrap();
            std::future::pending::<()>().await;
        });
        (receiver.recv().unwrap(), running)
    }
}

// === impl Setup ===

impl Setup {
    pub fn new(account: &'static str) -> Self {
        let workload = Workload {
            key: format!("default/default/shop/{account}"),
            identity: identity(account),
            mtls_mode: MtlsMode::Permissive.into(),
            outbound_policy: OutboundPolicy::AllowAny.into(),
            ..Workload::default()
        };
        Self {
            account,
            probes: "{}".to_owned(),
            drain_seconds: 5,
            workload,
            init: Vec::new(),
            log: "info,weft_proxy=debug",
        }
    }

    /// Callers must prove who they are.
    pub fn strict(mut self) -> Self {
        self.workload.mtls_mode = MtlsMode::Strict.into();
        self
    }
}

/// The identity of a member.
pub fn identity(account: &str) -> String {
    format!("spiffe://cluster.local/ns/shop/sa/{account}")
}

fn uid(account: &str) -> String {
    format!("uid-{account}")
}

/// A Service on `port` whose endpoints are these members.
pub fn service(name: &str, protocol: Protocol, endpoints: &[(&Member, SocketAddr)]) -> Destination {
    let (mut identities, mut addresses) = (Vec::new(), Vec::new());
    for (member, address) in endpoints {
        identities.push(identity(member.account));
        addresses.push(Endpoint {
            address: octets(address.ip()),
            port: address.port().into(),
            identity: u32::try_from(identities.len()).unwrap(),
            opaque: protocol == Protocol::Opaque,
            ..Endpoint::default()
        });
    }
    let port = endpoints.first().map_or(0, |(_, address)| address.port().into());
    Destination {
        key: format!("default/default/shop/{name}:{port}/-"),
        target: Some(Target {
            kind: target::Kind::Service.into(),
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            port,
        }),
        protocol: protocol.into(),
        backends: vec![Backend {
            name: format!("shop/{name}:{port}"),
            endpoints: (0..u32::try_from(addresses.len()).unwrap()).collect(),
            ..Backend::default()
        }],
        endpoints: addresses,
        identities,
        routes: vec![Route {
            name: "route-0".to_owned(),
            split: vec![WeightedBackend { backend: 0, weight: 1, ..Default::default() }],
            ..Route::default()
        }],
        ..Destination::default()
    }
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

// === impl Member ===

impl Member {
    /// What this pod's proxy sends to `dialled`.
    pub fn knows(&self, dialled: SocketAddr, destination: &Destination) {
        self.knows_as("1", dialled, destination);
    }

    /// The same, as a later version.
    pub fn knows_as(&self, version: &str, dialled: SocketAddr, destination: &Destination) {
        self.plane.set_destination(&format!("ip/{dialled}"), version, destination);
    }

    /// Asks the proxy's metrics port from inside.
    pub fn ask(&self, path: &str) -> std::io::Result<Answer> {
        self.pod.run(0, || async { client::get(names::METRICS_PORT, path) })
    }

    pub fn metrics(&self) -> String {
        self.ask("/metrics").unwrap().body
    }

    /// Runs a command of the program inside, as the kubelet does for a hook.
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.pid().to_string(), "--net", "--mount", PROGRAM, name]);
        command
    }

    /// The process of the proxy.
    pub fn pid(&self) -> u32 {
        self.proxy.child.id()
    }

    /// Sends SIGTERM to the proxy.
    pub fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.proxy.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Waits for the proxy to end by itself.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.proxy.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the proxy still runs after {limit:?}");
            pause();
        }
    }

    fn wait_until_ready(&self) {
        let deadline = Instant::now() + STARTS_WITHIN;
        loop {
            let said = match self.ask("/ready") {
                Ok(answer) if answer.is_success() => return,
                Ok(answer) => answer.body,
                Err(error) => error.to_string(),
            };
            assert!(Instant::now() < deadline, "{} is not ready: {said}", self.account);
            pause();
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "between two looks at another process")]
pub fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}

// === impl Proxy ===

impl Proxy {
    fn start(pod: &Pod, plane: &ControlPlane, setup: &Setup) -> Self {
        let directory = TempDir::new().unwrap();
        lay_out(directory.path(), plane);
        fs::create_dir_all(MOUNT).unwrap();
        let log = File::create(directory.path().join("log")).unwrap();
        // Every step replaces the one before, so that the process to be signalled is the proxy.
        let script = format!(
            "mount --bind {} {MOUNT}\nexec setpriv --reuid {PROXY} --regid {PROXY} --clear-groups --no-new-privs \
             --bounding-set -all --inh-caps -all {PROGRAM} run",
            directory.path().display()
        );
        let ips = pod.ips().map(|ip| ip.to_string()).join(",");
        let child = pod
            .command("sh")
            .args(["-ec", &script])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("WEFT_CONTROL_PLANE_HOST", "127.0.0.1")
            .env("WEFT_CSR_PORT", plane.csr_port.to_string())
            .env("WEFT_CONFIG_PORT", plane.config_port.to_string())
            .env("WEFT_POD_NAME", format!("{}-1", setup.account))
            .env("WEFT_POD_NAMESPACE", "shop")
            .env("WEFT_POD_UID", uid(setup.account))
            .env("WEFT_SERVICE_ACCOUNT", setup.account)
            .env("WEFT_POD_IPS", ips)
            .env("WEFT_PROBES", &setup.probes)
            .env("WEFT_DRAIN_SECONDS", setup.drain_seconds.to_string())
            .env("WEFT_LOG", setup.log)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, directory }
    }
}

/// The files of a pod, as its volumes would hold them.
fn lay_out(directory: &Path, plane: &ControlPlane) {
    for name in ["token", "trust", "state"] {
        fs::create_dir(directory.join(name)).unwrap();
    }
    fs::write(directory.join("token/token"), "token-1\n").unwrap();
    fs::write(directory.join("trust/bundle.pem"), plane.ca.bundle_pem()).unwrap();
    for path in [directory.to_owned(), directory.join("state"), directory.join("token/token")] {
        chown(path, Some(PROXY), Some(PROXY)).unwrap();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            eprintln!("--- log of a proxy\n{log}---");
        }
    }
}
