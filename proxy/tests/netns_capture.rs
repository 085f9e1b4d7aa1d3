//! What `weft-proxy init` captures and what it leaves alone, with real iptables in real network namespaces.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use support::netns::{APPLICATION, Network, PROGRAM, PROXY, Pod, succeed};
use support::peers::{application, call, listeners, read_answer};
use weft_proxy::socket;

/// The nft tools cannot be run behind this.
const HIDE_NFT: &str = "mount --bind /bin/false /usr/sbin/xtables-nft-multi";
/// The IPv6 tools are gone behind this; they are links to the IPv4 ones.
const HIDE_IP6TABLES: &str =
    "mount -t tmpfs none /mnt; cp -a /usr/sbin/. /mnt/; rm /mnt/ip6tables-*; mount --bind /mnt /usr/sbin";

fn both(pod: &Pod, port: u16) -> [SocketAddr; 2] {
    pod.ips().map(|ip| SocketAddr::new(ip, port))
}

/// The rules without counters and dates.
fn rules(pod: &Pod) -> String {
    pod.shell("iptables-nft-save; ip6tables-nft-save")
        .lines()
        .filter(|line| line.starts_with("-A ") || line.starts_with('*'))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn what_the_application_dials_reaches_the_outbound_listener_with_its_destination() {
    let network = Network::new();
    let (client, server) = (network.pod(), network.pod());
    client.init(&[]);
    let _listeners = listeners(&client);
    for address in both(&server, 8080) {
        assert_eq!(call(&client, APPLICATION, address).unwrap(), format!("outbound {address}"));
    }
}

#[test]
fn an_address_that_does_not_exist_is_captured_too_as_a_service_would_be() {
    let network = Network::new();
    let client = network.pod();
    client.init(&[]);
    let _listeners = listeners(&client);
    for address in ["10.96.0.5:80", "[fd00:96::5]:80"] {
        let address: SocketAddr = address.parse().unwrap();
        assert_eq!(call(&client, APPLICATION, address).unwrap(), format!("outbound {address}"));
    }
}

#[test]
fn what_the_proxy_dials_is_left_alone() {
    let network = Network::new();
    let (client, server) = (network.pod(), network.pod());
    client.init(&[]);
    let _listeners = listeners(&client);
    let _application = application(&server, 8080);
    for address in both(&server, 8080) {
        assert_eq!(call(&client, PROXY, address).unwrap(), format!("application {address}"));
    }
}

#[test]
fn a_skipped_outbound_port_bypasses_the_proxy() {
    let network = Network::new();
    let (client, server) = (network.pod(), network.pod());
    client.init(&["--skip-outbound-ports", "3306,9000-9010"]);
    let _listeners = listeners(&client);
    for port in [3306, 9005] {
        let _application = application(&server, port);
        for address in both(&server, port) {
            assert_eq!(call(&client, APPLICATION, address).unwrap(), format!("application {address}"));
        }
    }
    let address = SocketAddr::new(server.ipv4.into(), 9011);
    assert_eq!(call(&client, APPLICATION, address).unwrap(), format!("outbound {address}"));
}

#[test]
fn a_pod_looks_without_any_capability_whether_it_is_captured() {
    let network = Network::new();
    let pod = network.pod();
    let looks = |arguments: &str| {
        let script = format!(
            "setpriv --reuid 65532 --clear-groups --inh-caps=-all {PROGRAM} init --verify {arguments}"
        );
        pod.command("sh").args(["-ec", &script]).output().unwrap()
    };
    let before = looks("");
    // By this the control plane knows that the pod has to be replaced.
    assert_eq!(before.status.code(), Some(i32::from(weft_proxy::names::UNCAPTURED_EXIT_CODE)));
    let said = String::from_utf8_lossy(&before.stderr).into_owned();
    assert!(
        !before.status.success() && said.contains("is not captured") && said.contains("delete the pod"),
        "{said}"
    );
    pod.init(&["--skip-outbound-ports", "1-79"]);
    for arguments in ["--skip-outbound-ports 1-79", "--skip-outbound-ports 1-65535"] {
        let after = looks(arguments);
        assert!(after.status.success(), "{}", String::from_utf8_lossy(&after.stderr));
    }
    // The rules of one family alone are not enough where the pod has both.
    pod.shell("ip6tables-nft -t nat -F OUTPUT");
    let half = looks("--skip-outbound-ports 1-79");
    assert!(!half.status.success() && String::from_utf8_lossy(&half.stderr).contains("2001:db8::1"));
    pod.drop_ipv6();
    pod.shell("ip -6 route flush dev eth0");
    assert!(looks("--skip-outbound-ports 1-79").status.success());
}

#[test]
fn a_namespace_that_does_not_have_the_pods_addresses_gets_no_rules() {
    let network = Network::new();
    let (pod, other) = (network.pod(), network.pod());
    let addresses = |pod: &Pod| pod.ips().map(|ip| ip.to_string()).join(",");
    let refused =
        pod.command(PROGRAM).args(["init", "--expect-addresses", &addresses(&other)]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("another one; nothing was programmed"), "{said}");
    assert!(!rules(&pod).contains("WEFT"));
    pod.init(&["--expect-addresses", &addresses(&pod)]);
    assert!(rules(&pod).contains("WEFT"));
}

#[test]
fn what_others_dial_reaches_the_inbound_listener_with_its_destination() {
    let network = Network::new();
    let (client, server) = (network.pod(), network.pod());
    server.init(&["--skip-inbound-ports", "15120,15121,9090"]);
    let _listeners = listeners(&server);
    let _application = application(&server, 8080);
    let _skipped = application(&server, 9090);
    let _probes = application(&server, 15120);
    for address in both(&server, 8080) {
        assert_eq!(call(&client, APPLICATION, address).unwrap(), format!("inbound {address}"));
    }
    for port in [9090, 15120] {
        for address in both(&server, port) {
            assert_eq!(call(&client, APPLICATION, address).unwrap(), format!("application {address}"));
        }
    }
}

#[test]
fn the_outbound_listener_cannot_be_reached_from_outside() {
    let network = Network::new();
    let (client, server) = (network.pod(), network.pod());
    server.init(&[]);
    let _listeners = listeners(&server);
    for address in both(&server, 15101) {
        assert_eq!(call(&client, APPLICATION, address).unwrap(), format!("inbound {address}"));
    }
}

#[test]
fn a_pod_that_calls_itself_goes_through_both_listeners_and_not_in_circles() {
    let network = Network::new();
    let pod = network.pod();
    pod.init(&[]);
    let _listeners = listeners(&pod);
    let _application = application(&pod, 8080);
    let own = pod.ips();
    for address in both(&pod, 8080) {
        // The application, to its own address: to the outbound half.
        assert_eq!(call(&pod, APPLICATION, address).unwrap(), format!("outbound {address}"));
        // The outbound half, to the endpoint that is this pod: to the inbound half.
        let as_peer = pod.run(PROXY, || async move {
            read_answer(socket::connect_peer(address, &own).await.unwrap()).await.unwrap()
        });
        assert_eq!(as_peer, format!("inbound {address}"));
        // The inbound half, to the application: there, and the application sees a pod address and not loopback.
        let (answer, source) = pod.run(PROXY, || async move {
            let stream = socket::connect_application(address).await.unwrap();
            let source = stream.local_addr().unwrap().ip();
            (read_answer(stream).await.unwrap(), source)
        });
        assert_eq!((answer, source), (format!("application {address}"), address.ip()));
    }
}

#[test]
fn loopback_inside_the_pod_is_left_alone() {
    let network = Network::new();
    let pod = network.pod();
    pod.init(&[]);
    let _listeners = listeners(&pod);
    let _application = application(&pod, 8080);
    let addresses: [IpAddr; 3] =
        [Ipv4Addr::LOCALHOST.into(), Ipv4Addr::new(127, 0, 0, 9).into(), Ipv6Addr::LOCALHOST.into()];
    for ip in addresses {
        let address = SocketAddr::new(ip, 8080);
        for uid in [APPLICATION, PROXY] {
            assert_eq!(call(&pod, uid, address).unwrap(), format!("application {address}"));
        }
    }
}

#[test]
fn running_init_again_changes_nothing() {
    let network = Network::new();
    let pod = network.pod();
    pod.shell("iptables-nft -t nat -A OUTPUT -p udp -j ACCEPT -m comment --comment theirs");
    pod.init(&["--skip-inbound-ports", "9090"]);
    let first = rules(&pod);
    assert!(first.contains("--comment theirs"), "rules of others stay: {first}");
    assert!(first.contains("--dport 9090"), "{first}");
    pod.init(&["--skip-inbound-ports", "9090"]);
    assert_eq!(rules(&pod), first);
    pod.init(&[]);
    assert!(!rules(&pod).contains("--dport 9090"), "what is no longer asked for goes");
}

#[test]
fn legacy_tables_do_where_nf_tables_do_not() {
    let network = Network::new();
    let (client, server) = (network.pod(), network.pod());
    let script = format!("unshare -m sh -ec '{HIDE_NFT}; {PROGRAM} init; exec {PROGRAM} init'");
    let said = client.shell(&script);
    assert!(said.contains("with iptables over ip_tables (legacy)"), "{said}");
    let _listeners = listeners(&client);
    for address in both(&server, 8080) {
        assert_eq!(call(&client, APPLICATION, address).unwrap(), format!("outbound {address}"));
    }
}

#[test]
fn without_ipv6_in_the_kernel_only_a_pod_that_has_such_an_address_is_refused() {
    let network = Network::new();
    let pod = network.pod();
    let script = format!("{HIDE_IP6TABLES}; exec {PROGRAM} init");
    let init = |pod: &Pod| pod.command("unshare").args(["-m", "sh", "-ec", &script]).output().unwrap();

    let refused = init(&pod);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "{said}");
    assert!(said.contains("the pod has an IPv6 address, but its traffic cannot be captured"), "{said}");

    pod.drop_ipv6();
    let accepted = init(&pod);
    let said = String::from_utf8_lossy(&accepted.stdout).into_owned();
    assert!(accepted.status.success() && said.contains("the pod has no IPv6"), "{said}");
}

#[test]
fn without_the_capability_init_says_which_one_and_who_takes_it_away() {
    let network = Network::new();
    let pod = network.pod();
    let output =
        pod.command("setpriv").args(["--bounding-set", "-net_admin", PROGRAM, "init"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("NET_ADMIN") && said.contains("pod-security.kubernetes.io/enforce"), "{said}");
}

#[test]
fn the_program_explains_itself() {
    let said = succeed(std::process::Command::new(PROGRAM).arg("--help"));
    assert!(said.contains("Usage: weft-proxy <command>"), "{said}");
}
