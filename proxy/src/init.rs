//! `weft-proxy init`: makes the kernel hand the pod's TCP connections to the proxy.
//!
//! It runs as the pod's first init container with NET_ADMIN and NET_RAW, programs iptables in the pod's own network
//! namespace and ends. Running it again gives the same rules: the kubelet may restart it at any time. After
//! programming it reads the rules back, because a pod that silently bypasses the mesh is worse than one that does not start.
//!
//! In CNI mode the agent of the node (`weft-cni`) runs it in the pod's namespace instead, and the init container only looks
//! whether that has happened, without any capability.

mod iptables;
mod ports;
mod rules;
mod verify;

use std::fs;
use std::net::IpAddr;

pub use iptables::{Backend, Failure};
pub use ports::{PortRange, Ports};

use crate::names;
use iptables::Tools;
use rules::{Family, Ruleset};

/// What to capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where connections that the pod opens are sent.
    pub outbound_port: u16,
    /// Where connections to the pod are sent.
    pub inbound_port: u16,
    /// The user whose own connections are left alone.
    pub proxy_uid: u32,
    /// Ports of the pod that callers reach without the proxy. The proxy's probe and metrics ports always are.
    pub skip_inbound: Ports,
    /// Destination ports that the pod reaches without the proxy.
    pub skip_outbound: Ports,
    /// Addresses that this network namespace must have; whoever programs it from outside says whose it is.
    pub addresses: Vec<IpAddr>,
}

/// What was programmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which of the kernel's two rule engines took the rules.
    pub backend: Backend,
    /// Whether IPv6 is captured too; false only where the pod has no IPv6 address.
    pub ipv6: bool,
}

/// Why the pod's traffic could not be captured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither rule engine accepted the rules.
    #[error(
        "cannot program {family} rules.\n  {nft}\n  {legacy}\n{remedy}",
        family = family.name(),
        remedy = remedy(nft, legacy)
    )]
    Refused {
        /// Which family.
        family: Family,
        /// What the nft flavour said.
        nft: Failure,
        /// What the legacy flavour said.
        legacy: Failure,
    },
    /// The family that has addresses in this pod was refused, while the other was accepted.
    #[error(
        "the pod has an IPv6 address, but its traffic cannot be captured: {0}\n\
         Load ip6table_nat (or nf_tables) on the node, or give the pod IPv4 addresses only."
    )]
    Ipv6Refused(Failure),
    /// The rules that were read back are not the ones that were written.
    #[error(
        "the kernel's {family} rules are not the ones just written; missing: {missing}\n\
         Something else is programming iptables in this pod at the same time; look for another mesh or an init \
         container that runs iptables.",
        family = family.name()
    )]
    NotInPlace {
        /// Which family.
        family: Family,
        /// The first rule that is missing.
        missing: String,
    },
    /// Nobody has programmed the rules of this pod, or something else has.
    #[error(
        "the pod's traffic is not captured: {0}\n\
         In CNI mode the plugin weft-cni captures a pod before its containers start, and it has not done so for this one. \
         Look at the DaemonSet weft-cni on this node, then delete the pod, so that its successor is captured."
    )]
    NotCaptured(String),
    /// The namespace is not the one of the pod that was meant.
    #[error(
        "the network namespace does not have the pod's address {0}, so it is another one; nothing was programmed"
    )]
    OtherPod(IpAddr),
}

/// Programs the rules and reads them back.
pub fn run(options: &Options) -> Result<Report, Error> {
    verify::has_addresses(&options.addresses)?;
    let (tools, backend) = program_first(options)?;
    let ipv6 = match tools.program(&Ruleset::new(Family::Ipv6, options)) {
        Ok(()) => true,
        Err(failure) if pod_has_ipv6() => return Err(Error::Ipv6Refused(failure)),
        Err(_) => false,
    };
    read_back(&tools, &Ruleset::new(Family::Ipv4, options))?;
    if ipv6 {
        read_back(&tools, &Ruleset::new(Family::Ipv6, options))?;
    }
    Ok(Report { backend, ipv6 })
}

/// The engine that accepts the IPv4 rules is the one for both families.
fn program_first(options: &Options) -> Result<(Tools, Backend), Error> {
    let ruleset = Ruleset::new(Family::Ipv4, options);
    let attempt = |backend| {
        let tools = Tools::new(backend);
        tools.program(&ruleset).map(|()| (tools, backend))
    };
    attempt(Backend::Nft).or_else(|nft| {
        attempt(Backend::Legacy).map_err(|legacy| Error::Refused { family: Family::Ipv4, nft, legacy })
    })
}

/// Looks whether connections that the pod opens arrive at the proxy's port, without programming anything.
pub fn verify(options: &Options) -> Result<(), Error> {
    verify::captured(options)
}

fn read_back(tools: &Tools, ruleset: &Ruleset) -> Result<(), Error> {
    let saved = tools.saved(ruleset.family).map_err(|failure| Error::NotInPlace {
        family: ruleset.family,
        missing: format!("all of them ({failure})"),
    })?;
    match ruleset.missing_from(&saved) {
        None => Ok(()),
        Some(missing) => Err(Error::NotInPlace { family: ruleset.family, missing }),
    }
}

/// Whether any interface has an IPv6 address that others could dial.
fn pod_has_ipv6() -> bool {
    const GLOBAL_SCOPE: &str = "00";
    // address, interface index, prefix length, scope, flags, interface name
    fs::read_to_string("/proc/net/if_inet6")
        .is_ok_and(|table| table.lines().any(|line| line.split_whitespace().nth(3) == Some(GLOBAL_SCOPE)))
}

fn remedy(nft: &Failure, legacy: &Failure) -> &'static str {
    if nft.is_missing() && legacy.is_missing() {
        "The image lacks iptables: use an image that has /usr/sbin/iptables-nft-restore."
    } else if nft.lacks_permission() || legacy.lacks_permission() {
        "This container must run as user 0 with the capabilities NET_ADMIN and NET_RAW. The Pod Security standards \
         `baseline` and `restricted` take them away: label the namespace \
         pod-security.kubernetes.io/enforce=privileged. Where SELinux is enforcing, its policy must allow the container \
         to program iptables (see `ausearch -m avc` on the node)."
    } else {
        "The node's kernel lacks what the rules need: load nf_tables and nft_compat, or ip_tables, iptable_nat and \
         iptable_filter, with xt_REDIRECT, xt_owner and xt_conntrack (`modprobe` on the node)."
    }
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            outbound_port: names::OUTBOUND_PORT,
            inbound_port: names::INBOUND_PORT,
            proxy_uid: names::PROXY_UID,
            skip_inbound: Ports::default(),
            skip_outbound: Ports::default(),
            addresses: Vec::new(),
        }
    }
}

// === impl Report ===

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let families = if self.ipv6 { "IPv4 and IPv6" } else { "IPv4 (the pod has no IPv6)" };
        write!(f, "captured TCP over {families} with {}", self.backend)
    }
}
