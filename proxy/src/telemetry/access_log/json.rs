//! A line as JSON, written where it is sent from: nothing is allocated for it, and each text is looked at once.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use http::HeaderName;

use super::field::{Field, Sink};
use crate::digits::{decimal, hex};

/// The object of one line, without its beginning and its end.
pub(super) struct Json<'a>(pub &'a mut Vec<u8>);

const DIGITS: &[u8; 16] = b"0123456789abcdef";
/// So many bytes of a text are looked at together.
const TOGETHER: usize = 16;

// === impl Json ===

impl Json<'_> {
    fn key(&mut self, field: Field) {
        self.0.extend_from_slice(key(field).as_bytes());
    }

    /// Without anything to escape.
    fn quoted(&mut self, text: &str) {
        self.0.push(b'"');
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(b'"');
    }
}

impl Sink for Json<'_> {
    fn text(&mut self, field: Field, text: &str) {
        self.key(field);
        self.0.push(b'"');
        escape(text, self.0);
        self.0.push(b'"');
    }

    fn plain(&mut self, field: Field, text: &'static str) {
        self.key(field);
        self.quoted(text);
    }

    fn number(&mut self, field: Field, value: u64) {
        self.key(field);
        decimal(value, self.0);
    }

    fn millis(&mut self, field: Field, time: Duration) {
        self.key(field);
        millis(time, self.0);
    }

    fn address(&mut self, field: Field, value: SocketAddr) {
        self.key(field);
        self.0.push(b'"');
        address(value, self.0);
        self.0.push(b'"');
    }

    fn plains(&mut self, field: Field, texts: &[&'static str]) {
        self.key(field);
        for (index, text) in texts.iter().enumerate() {
            self.0.push(if index == 0 { b'[' } else { b',' });
            self.quoted(text);
        }
        self.0.push(b']');
    }

    fn pairs(&mut self, field: Field, pairs: &[(&'static str, &'static str)]) {
        self.key(field);
        for (index, (one, other)) in pairs.iter().enumerate() {
            self.0.extend_from_slice(if index == 0 { b"[[" } else { b",[" });
            self.quoted(one);
            self.0.push(b',');
            self.quoted(other);
            self.0.push(b']');
        }
        self.0.push(b']');
    }

    fn trace_id(&mut self, field: Field, id: u128) {
        self.key(field);
        self.0.push(b'"');
        hex(&id.to_be_bytes(), self.0);
        self.0.push(b'"');
    }

    fn headers(&mut self, field: Field, headers: &[(HeaderName, String)]) {
        self.key(field);
        for (index, (name, value)) in headers.iter().enumerate() {
            self.0.push(if index == 0 { b'{' } else { b',' });
            // A name of a header has nothing to escape.
            self.quoted(name.as_str());
            self.0.extend_from_slice(b":\"");
            escape(value, self.0);
            self.0.push(b'"');
        }
        self.0.push(b'}');
    }
}

/// What stands before the value of a field.
pub(super) fn key(field: Field) -> &'static str {
    match field {
        Field::Direction => r#","direction":"#,
        Field::Method => r#","method":"#,
        Field::Authority => r#","authority":"#,
        Field::Path => r#","path":"#,
        Field::Status => r#","status":"#,
        Field::GrpcStatus => r#","grpc_status":"#,
        Field::Reason => r#","reason":"#,
        Field::RefusedBy => r#","refused_by":"#,
        Field::WouldRefuse => r#","would_refuse":"#,
        Field::Rule => r#","rule":"#,
        Field::Bytes => r#","bytes":"#,
        Field::DurationMs => r#","duration_ms":"#,
        Field::Destination => r#","destination":"#,
        Field::Route => r#","route":"#,
        Field::Backend => r#","backend":"#,
        Field::Upstream => r#","upstream":"#,
        Field::Peer => r#","peer":"#,
        Field::Tls => r#","tls":"#,
        Field::Attempts => r#","attempts":"#,
        Field::Retried => r#","retried":"#,
        Field::Withheld => r#","withheld":"#,
        Field::Ejected => r#","ejected":"#,
        Field::BudgetLeft => r#","budget_left":"#,
        Field::UnderWay => r#","under_way":"#,
        Field::DeadlineLeftMs => r#","deadline_left_ms":"#,
        Field::TraceId => r#","trace_id":"#,
        Field::Headers => r#","headers":"#,
    }
}

/// `text` as the inside of a JSON string.
pub(super) fn escape(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    loop {
        let plain = plain_beginning(rest);
        out.extend_from_slice(&rest[..plain]);
        let Some((odd, after)) = rest[plain..].split_first() else { return };
        match odd {
            b'"' => out.extend_from_slice(br#"\""#),
            b'\\' => out.extend_from_slice(br"\\"),
            b'\n' => out.extend_from_slice(br"\n"),
            b'\r' => out.extend_from_slice(br"\r"),
            b'\t' => out.extend_from_slice(br"\t"),
            odd => {
                out.extend_from_slice(br"\u00");
                out.extend([DIGITS[usize::from(odd >> 4)], DIGITS[usize::from(odd & 0xf)]]);
            }
        }
        rest = after;
    }
}

/// How many bytes may stand as they are, up to the first that may not.
pub(super) fn plain_beginning(text: &[u8]) -> usize {
    let odd = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
    let mut chunks = text.chunks_exact(TOGETHER);
    // Without a way out in the middle, so that it is a handful of instructions for all of them.
    let plain = chunks.by_ref().take_while(|chunk| !chunk.iter().fold(false, |any, byte| any | odd(byte)));
    let skipped = plain.count() * TOGETHER;
    let rest = &text[skipped..];
    skipped + rest.iter().position(odd).unwrap_or(rest.len())
}

/// A time in milliseconds, with three digits after the point.
pub(super) fn millis(time: Duration, out: &mut Vec<u8>) {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    decimal(micros / 1000, out);
    let rest = (micros % 1000) as u16;
    let digit = |value: u16| b'0' + (value % 10) as u8;
    out.extend([b'.', digit(rest / 100), digit(rest / 10), digit(rest)]);
}

/// An address and its port.
pub(super) fn address(address: SocketAddr, out: &mut Vec<u8>) {
    let SocketAddr::V4(v4) = address else {
        // A vector takes everything.
        let _ = write!(out, "{address}");
        return;
    };
    for (index, octet) in v4.ip().octets().into_iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        decimal(octet.into(), out);
    }
    out.push(b':');
    decimal(v4.port().into(), out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = Vec::new();
        escape(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_text_is_read_again_as_it_was_wherever_the_odd_byte_stands() {
        let all: String = (0..0x250).filter_map(char::from_u32).collect();
        for at in 0..40 {
            for odd in ["\"", "\\", "\n", "\u{0}", "\u{1f}", "\u{7f}", "é", "\u{2028}", &all] {
                let text = format!("{}{odd}{}", "x".repeat(at), "y".repeat(40 - at));
                let json = format!("\"{}\"", escaped(&text));
                assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
                assert!(json.bytes().all(|byte| byte >= b' '), "{json:?}");
            }
        }
    }

    #[test]
    fn numbers_times_and_addresses_are_written_as_others_write_them() {
        let said = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            write(&mut out);
            String::from_utf8(out).unwrap()
        };
        for value in [0, 9, 10, 999, 1000, u64::from(u32::MAX), u64::MAX] {
            assert_eq!(said(&|out| decimal(value, out)), value.to_string());
        }
        for (micros, text) in [(0, "0.000"), (7, "0.007"), (12_407, "12.407"), (1_000_090, "1000.090")] {
            assert_eq!(said(&|out| millis(Duration::from_micros(micros), out)), text);
        }
        for id in [0, 0xabc, u128::MAX, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c] {
            assert_eq!(said(&|out| hex(&id.to_be_bytes(), out)), format!("{id:032x}"));
        }
        for text in ["10.244.0.7:8080", "255.0.10.1:1", "[fd00::7]:65535"] {
            assert_eq!(said(&|out| address(text.parse().unwrap(), out)), text);
        }
    }
}
