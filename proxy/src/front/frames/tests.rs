use std::collections::BTreeMap;

use super::*;

/// In hexadecimal; `src/proxies/front/frames.test.ts` reads the same file.
fn golden(side: &str) -> BTreeMap<String, Vec<u8>> {
    let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../src/wire/front.json")).unwrap();
    let all: BTreeMap<String, BTreeMap<String, String>> = serde_json::from_slice(&file).unwrap();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    all[side].iter().map(|(name, hex)| (name.clone(), hex.as_bytes().chunks(2).map(byte).collect())).collect()
}

fn grpc(body: &[u8]) -> Vec<u8> {
    [&[0][..], &(body.len() as u32).to_be_bytes(), body].concat()
}

#[test]
fn what_is_said_is_as_the_golden_bytes() {
    let all = Counts {
        connections: 3,
        total: 1,
        per_address: 2,
        rate: 3,
        silent: 4,
        too_much: 5,
        waited_too_long: 6,
        failed: 7,
    };
    let refused = Untrusted { address: "10.0.0.1".parse().unwrap(), why: "expired".to_owned(), times: 2 };
    let said = [
        ("hello", hello()),
        ("listening", listening(15112)),
        ("opened", opened(7, 1, "2001:db8::7".parse().unwrap(), &[48, 1, 0])),
        ("message", message(7, &grpc(b"one message"))),
        ("halfClosed", half_closed(7)),
        ("ended", ended(7)),
        ("credit", credit(7, 4096)),
        ("draining", draining(7)),
        ("counts", counts(&all)),
        ("untrusted", untrusted(&refused)),
        ("taken", taken("no such key")),
    ];
    let said: BTreeMap<_, _> = said.map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).into();
    assert_eq!(said, golden("fromFront"));
}

#[test]
fn what_the_golden_bytes_say_is_heard_however_they_are_cut() {
    let heard = |name: &str| match name {
        "hello" => Heard::Hello,
        "settings" => Heard::Settings(Box::new(Settings {
            host: Some("127.0.0.1".parse().unwrap()),
            port: 15112,
            trust_domain: "cluster.local".to_owned(),
            shared_addresses: false,
            paths: vec!["/a.B/C".to_owned(), "/d.E/F".to_owned()],
            log_level: LogLevel::Warn,
        })),
        "certificates" => Heard::Certificates(Box::new(Certificates {
            chain: "c".to_owned(),
            private_key: "k".to_owned(),
            roots: "r".to_owned(),
        })),
        "message" => Heard::Message(7, grpc(b"one message").into()),
        "readOn" => Heard::ReadOn(7, 1_048_576),
        "ended" => Heard::Ended(7, Status { code: 14, text: "come back, größer".to_owned() }),
        "draining" => Heard::Drain,
        "beat" => Heard::Beat,
        other => panic!("{other} is not tested"),
    };
    for (name, bytes) in golden("fromControlPlane") {
        for cut in 0..bytes.len() {
            let mut arrived = BytesMut::from(&bytes[..cut]);
            assert_eq!(next(&mut arrived).unwrap(), None, "{name} cut at {cut}");
            arrived.extend_from_slice(&bytes[cut..]);
            arrived.extend_from_slice(&bytes);
            assert_eq!(next(&mut arrived).unwrap(), Some(heard(&name)));
            assert_eq!(next(&mut arrived).unwrap(), Some(heard(&name)));
            assert!(arrived.is_empty());
        }
    }
}

#[test]
fn what_the_control_plane_does_not_say_is_refused() {
    let head = |stream: u32, kind: u8, length: u32| {
        [&stream.to_be_bytes()[..], &[kind], &length.to_be_bytes()].concat()
    };
    let wrong = [
        head(7, 14, 0),
        head(0, TAKEN, 0),
        head(7, OPENED, 0),
        head(0, LISTENING, 0),
        head(7, BEAT, 0),
        head(0, MESSAGE, 0),
        head(7, MESSAGE, 33 * 1024 * 1024),
        head(0, SETTINGS, 2 * 1024 * 1024),
        head(7, ENDED, 0),
        head(7, CREDITS, 3),
        head(0, BEAT, 1),
        [head(0, HELLOS, 12), b"weft-front 2".to_vec()].concat(),
        [head(0, SETTINGS, 2), b"{}".to_vec()].concat(),
        [head(0, CERTIFICATES, 1), b"{".to_vec()].concat(),
    ];
    for bytes in wrong {
        assert!(next(&mut BytesMut::from(&bytes[..])).is_err(), "{bytes:?}");
    }
}

#[test]
fn a_key_is_in_no_log() {
    let certificates = Certificates {
        chain: "chain".to_owned(),
        private_key: "secret".to_owned(),
        roots: "roots".to_owned(),
    };
    assert!(!format!("{certificates:?}").contains("secret"));
}
