//! Mutated inputs against everything that reads bytes of strangers. Each target runs `WEFT_FUZZ_SECONDS` (10), from a
//! seed that is printed and can be given back as `WEFT_FUZZ_SEED`. Stable Rust and no tools: a mutation loop with a
//! corpus instead of coverage, because the oracles here (what arrives at an application, what a longer prefix says) are
//! worth more than paths through the parsers of others.
//!
//!     WEFT_FUZZ_SECONDS=600 cargo test -p weft-proxy --test fuzz -- --nocapture
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod front;
mod http1;
mod http2;
mod mutate;
mod peers;
mod proxies;
mod responses;

use std::time::Instant;

use http::{HeaderMap, HeaderValue};
use mutate::Fuzz;
use weft_proxy::detect::{Sniffed, classify};
use weft_proxy::http::deadline::Deadline;
use weft_proxy::tls::hello::{Hello, sniff};

#[test]
fn what_a_prefix_says_of_its_protocol_a_longer_one_does_not_take_back() {
    let corpus: [&[u8]; 10] = [
        b"GET /a?b=c HTTP/1.1\r\nhost: a\r\n\r\n",
        b"OPTIONS * HTTP/1.0\r\n\r\n",
        b"\r\nGET / HTTP/1.2\r\n\r\n",
        b"CONNECT a:443 HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"EHLO mail.example\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"\0\0\0\x08\x04\xd2\x16\x2f",
    ];
    Fuzz::new("detection", &corpus).run(|input| {
        let mut said = None;
        for end in 1..=input.len().min(300) {
            let now = classify(&input[..end]);
            if said.is_some() && said != now {
                return Err(format!("{said:?} became {now:?} after {end} bytes"));
            }
            said = now;
        }
        match classify(input) {
            Some(Sniffed::Http2) if !input.starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") => {
                Err("HTTP/2 without its preface".to_owned())
            }
            _ => Ok(()),
        }
    });
}

#[test]
fn what_a_prefix_says_of_a_client_hello_a_longer_one_does_not_take_back() {
    let hello = client_hello();
    let mut split = Vec::new();
    for part in hello[5..].chunks(7) {
        split.extend_from_slice(&[22, 3, 1, 0, u8::try_from(part.len()).unwrap()]);
        split.extend_from_slice(part);
    }
    Fuzz::new("ClientHello", &[&hello, &split, b"GET / HTTP/1.1\r\n\r\n"]).run(|input| {
        let mut said = Hello::NeedMore;
        // Every length near the beginning, where headers are; then in steps, since each look begins anew.
        let ends = (1..input.len().min(64)).chain((64..input.len()).step_by(97)).chain([input.len()]);
        for end in ends.filter(|end| *end > 0) {
            let now = sniff(&input[..end]);
            if said != Hello::NeedMore && said != now {
                return Err(format!("{said:?} became {now:?} after {end} bytes"));
            }
            said = now;
        }
        Ok(())
    });
}

#[test]
fn no_header_makes_a_deadline_longer_than_the_longest() {
    const LONGEST: u64 = 30 * 24 * 3600;
    Fuzz::new("deadlines", &[b"250", b"99999999H", b"3S", b"0m", b"18446744073709551616", b"1n", b"1.5"])
        .run(|input| {
            let Ok(value) = HeaderValue::from_bytes(input) else { return Ok(()) };
            let mut headers = HeaderMap::new();
            headers.insert("x-weft-deadline", value.clone());
            headers.insert("grpc-timeout", value);
            let now = tokio::time::Instant::from_std(Instant::now());
            let Some(deadline) = Deadline::read(&headers, now, None, true) else { return Ok(()) };
            deadline.write(&mut headers, now);
            let told = Deadline::read(&headers, now, None, true).ok_or("what was written is not read")?;
            if deadline.left(now).as_secs() > LONGEST
                || told.left(now) > deadline.left(now).max(std::time::Duration::from_millis(1))
            {
                return Err(format!("{:?} told as {:?}", deadline.left(now), told.left(now)));
            }
            Ok(())
        });
}

/// As rustls says it, with a name and protocols.
fn client_hello() -> Vec<u8> {
    let config = rustls::ClientConfig::builder_with_provider(weft_proxy::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let mut config = config;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = "reviews.shop.svc".try_into().unwrap();
    let mut client = rustls::ClientConnection::new(config.into(), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}
