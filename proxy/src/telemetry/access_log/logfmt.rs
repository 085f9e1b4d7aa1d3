//! A line as text: `key=value` with a space between, as logfmt has it. What has a space, an equals sign or a quote is quoted, as in JSON.

use std::net::SocketAddr;
use std::time::Duration;

use http::HeaderName;

use super::field::{Field, Sink};
use super::json::{address, escape, millis};
use crate::digits::{decimal, hex};

/// The pairs of one line after its time.
pub(super) struct Logfmt<'a>(pub &'a mut Vec<u8>);

// === impl Logfmt ===

impl Logfmt<'_> {
    fn key(&mut self, field: Field) {
        self.0.push(b' ');
        self.0.extend_from_slice(field.name().as_bytes());
        self.0.push(b'=');
    }

    fn value(&mut self, text: &str) {
        let is_bare = |byte: u8| byte > b' ' && !matches!(byte, b'"' | b'=' | b'\\' | 0x7f);
        if !text.is_empty() && text.bytes().all(is_bare) {
            return self.0.extend_from_slice(text.as_bytes());
        }
        self.0.push(b'"');
        escape(text, self.0);
        self.0.push(b'"');
    }

    fn list<'t>(&mut self, field: Field, texts: impl Iterator<Item = &'t str>) {
        self.key(field);
        for (index, text) in texts.enumerate() {
            if index > 0 {
                self.0.push(b',');
            }
            self.0.extend_from_slice(text.as_bytes());
        }
    }
}

impl Sink for Logfmt<'_> {
    fn text(&mut self, field: Field, text: &str) {
        self.key(field);
        self.value(text);
    }

    fn plain(&mut self, field: Field, text: &'static str) {
        self.key(field);
        self.0.extend_from_slice(text.as_bytes());
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
        address(value, self.0);
    }

    fn plains(&mut self, field: Field, texts: &[&'static str]) {
        self.list(field, texts.iter().copied());
    }

    fn pairs(&mut self, field: Field, pairs: &[(&'static str, &'static str)]) {
        self.key(field);
        for (index, (one, other)) in pairs.iter().enumerate() {
            if index > 0 {
                self.0.push(b',');
            }
            self.0.extend_from_slice(one.as_bytes());
            self.0.push(b':');
            self.0.extend_from_slice(other.as_bytes());
        }
    }

    fn trace_id(&mut self, field: Field, id: u128) {
        self.key(field);
        hex(&id.to_be_bytes(), self.0);
    }

    fn headers(&mut self, _field: Field, headers: &[(HeaderName, String)]) {
        for (name, value) in headers {
            self.0.extend_from_slice(b" headers.");
            self.0.extend_from_slice(name.as_str().as_bytes());
            self.0.push(b'=');
            self.value(value);
        }
    }
}
