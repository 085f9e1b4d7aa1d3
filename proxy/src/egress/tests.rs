use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use http::{Request, header};

use super::*;

fn service(name: &str, hosts: &[&str], ports: &[(u16, Speaks)]) -> ExternalService {
    ExternalService {
        name: name.into(),
        hosts: hosts.iter().map(|host| HostPattern::parse(host).unwrap()).collect(),
        ports: ports.to_vec(),
        tls: Vec::new(),
        addresses: Vec::new(),
        private_addresses: false,
        permitted: true,
    }
}

fn at(port: u16) -> SocketAddr {
    ([93, 184, 216, 34], port).into()
}

fn block(address: [u8; 4], length: u32) -> IpBlock {
    IpBlock::new(address.into(), length).unwrap()
}

#[test]
fn names_are_one_form_and_addresses_are_none() {
    for (text, want) in [
        ("api.stripe.com", Some("api.stripe.com")),
        ("API.Stripe.COM.", Some("api.stripe.com")),
        ("xn--bcher-kva.example", Some("xn--bcher-kva.example")),
        ("_dmarc.example.com", Some("_dmarc.example.com")),
        ("localhost", Some("localhost")),
        ("bücher.example", None),
        ("10.0.0.1", None),
        ("127.1", None),
        ("0x7f.1", None),
        ("2130706433", None),
        ("0x7f000001", None),
        ("::1", None),
        ("[::1]", None),
        ("a..b", None),
        ("a.com..", None),
        (".a.com", None),
        ("", None),
        (".", None),
        ("-a.com", None),
        ("a-.com", None),
        ("a b.com", None),
        ("a.com:443", None),
        ("*.a.com", None),
        ("a.com\0", None),
    ] {
        assert_eq!(HostName::parse(text).as_ref().map(HostName::as_str), want, "{text:?}");
    }
    assert!(HostName::parse(&format!("{}.com", "a".repeat(64))).is_none());
    assert!(HostName::parse(&format!("{}com", "a.".repeat(126))).is_none(), "255 bytes");
}

#[test]
fn a_request_is_for_the_host_of_its_target_and_else_of_its_field() {
    let of = |uri: &str, host: Option<&str>| {
        let mut request = Request::builder().uri(uri);
        if let Some(host) = host {
            request = request.header(header::HOST, host);
        }
        HostName::of_request(&request.body(()).unwrap()).map(|host| host.to_string())
    };
    assert_eq!(of("/", Some("A.com:80")).as_deref(), Some("a.com"));
    assert_eq!(of("http://a.com:8080/", Some("b.com")).as_deref(), Some("a.com"));
    assert_eq!(of("/", None), None);
    assert_eq!(of("/", Some("user@a.com")).as_deref(), Some("a.com"), "which the check of frames refuses");
    for host in ["10.0.0.1", "[::1]:80", "a.com, b.com", "a.com/b", ""] {
        assert_eq!(of("/", Some(host)), None, "{host:?}");
    }
}

#[test]
fn wildcards_take_what_is_below_and_nothing_beside() {
    let pattern = HostPattern::parse("*.amazonaws.com").unwrap();
    let takes = |host| pattern.takes(&HostName::parse(host).unwrap()).is_some();
    assert!(takes("s3.amazonaws.com") && takes("b.s3.eu-west-1.amazonaws.com"));
    assert!(!takes("amazonaws.com") && !takes("evilamazonaws.com") && !takes("amazonaws.com.evil.example"));
    assert!(HostPattern::parse("*").is_none() && HostPattern::parse("a.*.com").is_none());
}

#[test]
fn what_is_declared_and_permitted_is_let_out_and_nothing_else() {
    let wide = service("shop/wide", &["*.stripe.com"], &[(443, Speaks::Tls)]);
    let exact = service("shop/exact", &["api.stripe.com"], &[(443, Speaks::Tls), (80, Speaks::Http)]);
    let hidden = ExternalService {
        permitted: false,
        ..service("shop/hidden", &["bank.example"], &[(443, Speaks::Tls)])
    };
    let bytes = ExternalService {
        addresses: vec![block([93, 184, 216, 0], 24)],
        ..service("shop/bytes", &[], &[(5432, Speaks::Bytes)])
    };
    let pinned = ExternalService {
        addresses: vec![block([198, 51, 100, 7], 32)],
        ..service("shop/pinned", &["pinned.example"], &[(443, Speaks::Tls)])
    };
    let all: Vec<_> = [wide, exact, hidden, bytes, pinned].map(Arc::new).into();
    let judged = |speaks, host: Option<&str>, dialled| {
        let host = host.map(|host| HostName::parse(host).unwrap());
        judge(&all, speaks, host.as_ref(), dialled).map(|service| service.name.to_string())
    };
    for (speaks, host, dialled, want) in [
        (Speaks::Tls, Some("api.stripe.com"), at(443), Ok("shop/exact")),
        (Speaks::Tls, Some("files.stripe.com"), at(443), Ok("shop/wide")),
        (Speaks::Http, Some("api.stripe.com"), at(80), Ok("shop/exact")),
        (Speaks::Http, Some("files.stripe.com"), at(80), Err(Refusal::Undeclared)),
        (Speaks::Http, Some("api.stripe.com"), at(443), Err(Refusal::Undeclared)),
        (Speaks::Tls, Some("api.stripe.com"), at(80), Err(Refusal::Undeclared)),
        (Speaks::Tls, Some("api.stripe.com"), at(8443), Err(Refusal::Undeclared)),
        (Speaks::Tls, Some("stripe.com"), at(443), Err(Refusal::Undeclared)),
        (Speaks::Tls, None, at(443), Err(Refusal::NoHost)),
        (Speaks::Http, None, at(80), Err(Refusal::NoHost)),
        (Speaks::Tls, Some("bank.example"), at(443), Err(Refusal::NotPermitted)),
        (Speaks::Bytes, None, at(5432), Ok("shop/bytes")),
        (Speaks::Bytes, None, ([93, 184, 217, 34], 5432).into(), Err(Refusal::Undeclared)),
        (Speaks::Bytes, None, at(443), Err(Refusal::Undeclared)),
        (Speaks::Tls, Some("pinned.example"), ([198, 51, 100, 7], 443).into(), Ok("shop/pinned")),
        (Speaks::Tls, Some("pinned.example"), at(443), Err(Refusal::Undeclared)),
    ] {
        assert_eq!(judged(speaks, host, dialled), want.map(str::to_owned), "{speaks:?} {host:?} {dialled}");
    }
}

#[test]
fn names_lead_to_public_addresses_only() {
    let of = |text: &str| reach(text.parse().unwrap());
    for public in [
        "93.184.216.34",
        "1.1.1.1",
        "100.63.255.255",
        "100.128.0.0",
        "172.32.0.1",
        "2606:4700::1111",
        "64:ff9b::5db8:d822",
    ] {
        assert_eq!(of(public), Reach::Public, "{public}");
    }
    for private in [
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "100.127.255.255",
        "198.18.0.1",
        "192.0.2.1",
        "fd00::1",
        "fc00::1",
        "2001:db8::1",
        "64:ff9b::a00:1",
    ] {
        assert_eq!(of(private), Reach::Private, "{private}");
    }
    for never in [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",
        "169.254.169.254",
        "169.254.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "::1",
        "::",
        "fe80::1",
        "ff02::1",
        "::ffff:93.184.216.34",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:0:1::1",
        "fec0::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "168.63.129.16",
        "100.100.100.200",
    ] {
        assert_eq!(of(never), Reach::Never, "{never}");
    }
}

#[tokio::test]
async fn what_names_lead_to_is_looked_at_address_by_address() {
    let answers = |ips: &[&str]| -> Vec<(IpAddr, SocketAddr)> {
        ips.iter().map(|ip| ip.parse().unwrap()).map(|ip: IpAddr| (ip, (ip, 443).into())).collect()
    };
    let lookup = Lookup::Fixed(Arc::new(Mutex::new(HashMap::from([
        ("both.example".to_owned(), answers(&["93.184.216.34", "2606:4700::1", "93.184.216.34"])),
        ("mixed.example".to_owned(), answers(&["10.0.0.1", "93.184.216.34", "169.254.169.254"])),
        ("inside.example".to_owned(), answers(&["10.0.0.1", "fd00::1"])),
        ("metadata.example".to_owned(), answers(&["169.254.169.254", "::ffff:10.0.0.1"])),
        ("empty.example".to_owned(), Vec::new()),
        (
            "many.example".to_owned(),
            (0..40).map(|last| ([1, 1, 1, last].into(), ([1, 1, 1, last], 443).into())).collect(),
        ),
    ]))));
    let ask = async |host, private| {
        let host = HostName::parse(host).unwrap();
        lookup.addresses(&host, at(443), private).await.map_err(|error| error.refusal())
    };
    assert_eq!(ask("both.example", false).await, Ok(vec![at(443)]), "of the family that was dialled");
    assert_eq!(ask("mixed.example", false).await, Ok(vec![at(443)]));
    assert_eq!(ask("mixed.example", true).await, Ok(vec![([10, 0, 0, 1], 443).into(), at(443)]));
    assert_eq!(ask("inside.example", false).await, Err(Some(Refusal::PrivateAddress)));
    assert_eq!(ask("inside.example", true).await, Ok(vec![([10, 0, 0, 1], 443).into()]));
    assert_eq!(
        ask("metadata.example", true).await,
        Err(Some(Refusal::PrivateAddress)),
        "no declaration opens it"
    );
    assert_eq!(ask("many.example", false).await.map(|addresses| addresses.len()), Ok(lookup::MOST_ADDRESSES));
    assert_eq!(ask("empty.example", false).await, Err(None));
    assert_eq!(ask("nowhere.example", false).await, Err(None));
}
