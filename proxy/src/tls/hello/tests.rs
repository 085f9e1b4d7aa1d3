use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, RootCertStore};
use rustls_pki_types::ServerName;

use super::*;

/// What a real client writes first: rustls with a post-quantum key share.
fn real_hello(alpn: &[&[u8]], name: &str) -> Vec<u8> {
    let mut config = ClientConfig::builder_with_provider(crate::tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut wire = Vec::new();
    client.write_tls(&mut wire).unwrap();
    wire
}

/// The same handshake message in records of `size` bytes.
fn in_records_of(wire: &[u8], size: usize) -> Vec<u8> {
    let payload = &wire[5..];
    payload
        .chunks(size)
        .flat_map(|part| [&[22, 3, 1][..], &(part.len() as u16).to_be_bytes(), part].concat())
        .collect()
}

fn expect_tls(prefix: &[u8]) -> ClientHello {
    match sniff(prefix) {
        Hello::Tls(hello) => hello,
        other => panic!("{other:?} for {} bytes", prefix.len()),
    }
}

#[test]
fn a_post_quantum_hello_is_recognised_whole_and_asks_for_more_at_every_split() {
    let wire = real_hello(&[b"weft1-h2"], "Reviews.shop");
    assert!(wire.len() > 1300, "an ML-KEM-768 key share alone has 1184 bytes, got {}", wire.len());
    for split in 0..wire.len() {
        assert_eq!(sniff(&wire[..split]), Hello::NeedMore, "split at {split}");
    }
    let hello = expect_tls(&wire);
    assert_eq!(
        (hello.alpn.as_slice(), hello.sni.as_deref()),
        (&[b"weft1-h2".to_vec()][..], Some("reviews.shop"))
    );
    assert!(hello.is_mesh());
}

#[test]
fn a_hello_in_many_records_is_recognised_at_every_split() {
    let wire = real_hello(&[b"weft1-tcp"], "a.b");
    for size in [17, 100, 1000] {
        let records = in_records_of(&wire, size);
        for split in 0..records.len() {
            assert_eq!(sniff(&records[..split]), Hello::NeedMore, "records of {size}, split at {split}");
        }
        assert!(expect_tls(&records).is_mesh(), "records of {size}");
    }
}

#[test]
fn a_hello_that_never_ends_is_given_up() {
    let wire = real_hello(&[b"weft1-h2"], "a.b");
    assert!(expect_tls(&in_records_of(&wire, 1)).is_mesh(), "the worst framing of a real hello fits");
    let mut endless = vec![22, 3, 1, 0x40, 0, 1, 0, 0x7f, 0xff];
    endless.resize(MAX_HELLO - 1, 0);
    for at in (5 + 16384..endless.len()).step_by(5 + 16384) {
        endless[at..at + 5].copy_from_slice(&[22, 3, 1, 0x40, 0]);
    }
    assert_eq!(sniff(&endless), Hello::NeedMore);
    endless.push(0);
    assert_eq!(sniff(&endless), Hello::NotTls);
}

#[test]
fn bytes_after_the_hello_do_not_matter() {
    let mut wire = real_hello(&[b"weft1-h1"], "a.b");
    wire.extend_from_slice(b"\x14\x03\x03\x00\x01\x01 and more");
    assert!(expect_tls(&wire).is_mesh());
}

#[test]
fn tls_of_the_application_is_not_taken_for_the_mesh() {
    assert!(!expect_tls(&real_hello(&[b"h2", b"http/1.1"], "a.b")).is_mesh());
    assert!(!expect_tls(&real_hello(&[], "a.b")).is_mesh());
    assert!(!expect_tls(&real_hello(&[b"weft1-h2x", b"weft2-h2"], "a.b")).is_mesh());
}

#[test]
fn other_protocols_are_told_apart_as_early_as_their_bytes_allow() {
    let cases: [&[u8]; 9] = [
        b"G",
        b"GET / HTTP/1.1\r\n",
        b"PRI * HTTP/2.0\r\n",
        b"\x16G",
        b"\x16\x03\x09",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x00\x10\x02",
        b"\x16\x03\x01\x40\x00\x01\xff\xff\xff",
    ];
    for case in cases {
        assert_eq!(sniff(case), Hello::NotTls, "{case:?}");
    }
}

#[test]
fn a_hello_that_lies_about_a_length_is_not_followed() {
    let wire = real_hello(&[b"weft1-h2"], "a.b");
    // Session id length sits after record header, handshake header, version and random.
    let mut lying = wire.clone();
    lying[5 + 4 + 34] = 0xff;
    assert!(matches!(sniff(&lying), Hello::NotTls | Hello::Tls(_)));
    let mut truncated = in_records_of(&wire, 4000);
    truncated[8] = 40; // the message claims 40 bytes: too few for what it holds
    truncated[7] = 0;
    assert_eq!(sniff(&truncated), Hello::NotTls);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic_and_a_verdict_never_changes_with_more_bytes(
        mut bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400),
        framed in proptest::bool::ANY,
    ) {
        if framed && bytes.len() > 9 {
            let len = (bytes.len() - 5) as u16;
            bytes[..3].copy_from_slice(&[22, 3, 1]);
            bytes[3..5].copy_from_slice(&len.to_be_bytes());
            bytes[5..9].copy_from_slice(&[1, 0, 0, (len as u8).saturating_sub(4)]);
        }
        let mut verdict = Hello::NeedMore;
        for end in 0..=bytes.len() {
            let next = sniff(&bytes[..end]);
            if verdict != Hello::NeedMore {
                proptest::prop_assert_eq!(&verdict, &next);
            }
            verdict = next;
        }
    }
}
