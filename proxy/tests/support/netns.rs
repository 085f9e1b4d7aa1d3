//! Pods made of network namespaces: a bridge stands for the node, and each pod hangs on it with an IPv4 and an IPv6
//! address. Every test has a network of its own, so tests run side by side with the same addresses.

use std::fs::File;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};

use rustix::process::{Gid, Uid};
use rustix::thread::LinkNameSpaceType;
use tokio::sync::oneshot;

/// The user the proxy runs as.
pub const PROXY: u32 = weft_proxy::names::PROXY_UID;
/// A user that applications run as.
pub const APPLICATION: u32 = 1000;

/// A node: a bridge that pods are attached to.
pub struct Network {
    node: Namespace,
    pods: AtomicU32,
}

/// A network namespace with two addresses.
pub struct Pod {
    namespace: Namespace,
    pub ipv4: Ipv4Addr,
    pub ipv6: Ipv6Addr,
}

/// Something that runs inside a pod until this is dropped.
pub struct Running {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Namespace {
    name: String,
}

// === impl Network ===

impl Network {
    pub fn new() -> Self {
        let node = Namespace::new();
        node.ip(&["link", "add", "br0", "type", "bridge"]);
        node.ip(&["address", "add", "10.99.0.1/24", "dev", "br0"]);
        node.ip(&["address", "add", "fd99::1/64", "dev", "br0", "nodad"]);
        node.ip(&["link", "set", "br0", "up"]);
        Self { node, pods: AtomicU32::new(0) }
    }

    /// A new pod, attached to the bridge.
    pub fn pod(&self) -> Pod {
        let index = self.pods.fetch_add(1, Ordering::SeqCst) + 2;
        let namespace = Namespace::new();
        let ipv4 = Ipv4Addr::new(10, 99, 0, u8::try_from(index).unwrap());
        let ipv6 = Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, u16::try_from(index).unwrap());
        let port = format!("pod{index}");
        self.node.ip(&[
            "link",
            "add",
            &port,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            &namespace.name,
        ]);
        self.node.ip(&["link", "set", &port, "master", "br0", "up"]);
        namespace.ip(&["address", "add", &format!("{ipv4}/24"), "dev", "eth0"]);
        namespace.ip(&["address", "add", &format!("{ipv6}/64"), "dev", "eth0", "nodad"]);
        namespace.ip(&["link", "set", "eth0", "up"]);
        namespace.ip(&["route", "add", "default", "via", "10.99.0.1"]);
        namespace.ip(&["-6", "route", "add", "default", "via", "fd99::1"]);
        Pod { namespace, ipv4, ipv6 }
    }

    /// Runs `work` on the node, where everything between pods passes.
    pub fn on_node<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                self.node.enter_as(0);
                work()
            });
            inside.join().unwrap()
        })
    }
}

// === impl Pod ===

impl Pod {
    /// Both addresses.
    pub fn ips(&self) -> [IpAddr; 2] {
        [self.ipv4.into(), self.ipv6.into()]
    }

    /// Runs `work` to its end inside, on a thread of its own, as `uid`.
    pub fn run<T, F>(&self, uid: u32, work: impl FnOnce() -> F + Send) -> T
    where
        T: Send,
        F: Future<Output = T>,
    {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                self.namespace.enter_as(uid);
                runtime().block_on(work())
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Starts `work` inside as `uid`; it ends when the answer is dropped. Returns when `work` says that it has started.
    pub fn start<F>(&self, uid: u32, work: impl FnOnce(oneshot::Sender<()>) -> F + Send + 'static) -> Running
    where
        F: Future<Output = ()>,
    {
        let namespace = Namespace { name: self.namespace.name.clone() };
        let (stop, stopped) = oneshot::channel();
        let (started, has_started) = oneshot::channel();
        let thread = thread::spawn(move || {
            namespace.enter_as(uid);
            // The pod removes its namespace; this is a second handle.
            std::mem::forget(namespace);
            runtime().block_on(async {
                tokio::select! {
                    () = work(started) => {}
                    _ = stopped => {}
                }
            });
        });
        has_started.blocking_recv().expect("what runs in the pod has started");
        Running { stop: Some(stop), thread: Some(thread) }
    }

    /// A program that runs inside. It runs as root: use `setpriv` for another user.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace.name, program]);
        command
    }

    /// Runs a shell script inside and panics if it fails.
    pub fn shell(&self, script: &str) -> String {
        succeed(self.command("sh").args(["-ec", script]))
    }

    /// Runs `weft-proxy init` inside.
    pub fn init(&self, arguments: &[&str]) -> String {
        succeed(self.command(PROGRAM).arg("init").args(arguments))
    }

    /// Takes the IPv6 addresses away.
    pub fn drop_ipv6(&self) {
        self.namespace.ip(&["-6", "address", "flush", "dev", "eth0"]);
    }
}

/// The program under test: the one built with the tests, or the one named when they were built.
pub const PROGRAM: &str = match option_env!("WEFT_PROGRAM") {
    Some(program) => program,
    None => env!("CARGO_BIN_EXE_weft-proxy"),
};

/// Runs a command, and panics with what it said if it fails.
pub fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("the program is installed");
    let said = String::from_utf8_lossy(&stdout).into_owned();
    assert!(status.success(), "{command:?}: {status}\n{said}{}", String::from_utf8_lossy(&stderr));
    said
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

// === impl Running ===

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
            && !thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

// === impl Namespace ===

impl Namespace {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        assert!(
            rustix::process::geteuid().is_root(),
            "tests in network namespaces need root: run them with sudo, or leave them out with --lib"
        );
        let name = format!("weft-t{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
        succeed(Command::new("ip").args(["netns", "add", &name]));
        let namespace = Self { name };
        namespace.ip(&["link", "set", "lo", "up"]);
        namespace
    }

    fn ip(&self, arguments: &[&str]) {
        succeed(Command::new("ip").args(["-n", &self.name]).args(arguments));
    }

    /// Moves the calling thread inside for good, as `uid`.
    fn enter_as(&self, uid: u32) {
        let namespace = File::open(format!("/run/netns/{}", self.name)).unwrap();
        rustix::thread::move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
            .unwrap();
        rustix::thread::set_thread_gid(Gid::from_raw(uid)).unwrap();
        rustix::thread::set_thread_uid(Uid::from_raw(uid)).unwrap();
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
    }
}
