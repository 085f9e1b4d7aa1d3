//! Questions about requests that nobody has sent: what would become of this one? Either half answers by the functions that judge
//! real requests (`outbound/explain.rs`, `inbound/explain.rs`), and counts, opens and remembers nothing for it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::{HeaderMap, HeaderName, Method, Request};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::http::framing::BadHead;
use crate::http::{Upload, imagined};
use crate::identity::SpiffeId;

/// A header with one of these in its name holds a secret, as far as anybody can know: tokens may come in any header, such as one that
/// a `JwtIssuer` names, or one that holds a session.
const SECRET: [&str; 14] = [
    "token",
    "secret",
    "api-key",
    "apikey",
    "api_key",
    "auth",
    "session",
    "password",
    "passwd",
    "credential",
    "jwt",
    "assertion",
    "cookie",
    "signature",
];
/// What stands in the place of such a value.
pub const REDACTED: &str = "(redacted)";

/// See the module.
#[derive(Clone, Debug)]
pub struct Question {
    /// Where the request is dialled; of a receiver the port counts.
    pub to: SocketAddr,
    pub asks: Side,
    head: String,
}

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Side {
    /// The proxy of the pod that would call.
    Caller,
    /// The proxy of the pod that would be called, by this.
    Receiver {
        /// `None`: by somebody without a proxy, who has proved nothing.
        identity: Option<Arc<SpiffeId>>,
        from: Option<IpAddr>,
    },
}

/// A question nobody can answer.
#[derive(Debug, Error)]
pub enum BadQuestion {
    #[error("the question is not understood: {0}")]
    Json(#[from] serde_json::Error),
    #[error("`{0}` is not a method")]
    Method(String),
    #[error("`{0}` is not the name of a header")]
    HeaderName(String),
    #[error("the value of {0} has a line break in it")]
    LineBreak(String),
    #[error("`{0}` is not an identity such as spiffe://cluster.local/ns/shop/sa/web")]
    Identity(String),
}

/// As it arrives.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Asked {
    to: SocketAddr,
    method: String,
    /// Path and query.
    target: String,
    authority: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    receiver: Option<AskedReceiver>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AskedReceiver {
    #[serde(default)]
    identity: Option<String>,
    #[serde(default)]
    from: Option<IpAddr>,
}

/// What one stage would say, for people: one element of `stages`.
pub(crate) fn stage(name: &str, verdict: Verdict, why: impl Into<String>) -> Map<String, Value> {
    let mut said = Map::new();
    said.insert("stage".to_owned(), name.into());
    said.insert("verdict".to_owned(), verdict.as_str().into());
    said.insert("why".to_owned(), why.into().into());
    said
}

/// See [`stage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Go,
    /// A part of the requests goes on: by weight, or by chance.
    Depends,
    /// It would have to be seen by somebody else.
    WouldAsk,
    /// It waits for others first.
    Waits,
    WouldRefuse,
    Answer,
    Refuse,
}

/// The headers that changed, for people: each with its new value, or null where it went.
pub(crate) fn changed(before: &HeaderMap, after: &HeaderMap) -> Map<String, Value> {
    let said = |headers: &HeaderMap, name: &HeaderName| -> Vec<String> {
        headers.get_all(name).iter().map(|value| shown(name, value.as_bytes())).collect()
    };
    let real = |headers: &HeaderMap, name: &HeaderName| -> Vec<Vec<u8>> {
        headers.get_all(name).iter().map(|value| value.as_bytes().to_vec()).collect()
    };
    let mut changes = Map::new();
    for name in before.keys().chain(after.keys()) {
        if real(before, name) != real(after, name) {
            let value = said(after, name);
            let value = if value.is_empty() { Value::Null } else { value.join(", ").into() };
            changes.insert(name.as_str().to_owned(), value);
        }
    }
    changes
}

/// A value as people may read it.
pub(crate) fn shown(name: &HeaderName, value: &[u8]) -> String {
    if is_secret(name) { REDACTED.to_owned() } else { String::from_utf8_lossy(value).into_owned() }
}

/// Whether the values of a header are told to nobody who only looks.
pub(crate) fn is_secret(name: &HeaderName) -> bool {
    SECRET.iter().any(|word| name.as_str().contains(word))
}

/// What is judged, for people.
pub(crate) fn request_json(request: &Request<Upload>) -> Value {
    let host = request.headers().get(http::header::HOST);
    let path = request.uri().path_and_query().map_or("", |path| path.as_str());
    json!({
        "method": request.method().as_str(),
        "authority": host.map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned()),
        "path": path,
    })
}

/// An answer, as far as it is known.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub stages: Vec<Map<String, Value>>,
    said: Map<String, Value>,
    /// How the request ends, once that is known.
    pub outcome: Option<(&'static str, String)>,
}

// === impl Answer ===

impl Answer {
    pub fn say(&mut self, name: &str, value: impl Into<Value>) {
        self.said.insert(name.to_owned(), value.into());
    }

    /// As JSON.
    pub fn end(mut self) -> Value {
        let (verdict, why) = self.outcome.take().unwrap_or(("sent", String::new()));
        self.say("verdict", verdict);
        self.say("why", why);
        let stages: Vec<Value> = self.stages.into_iter().map(Value::Object).collect();
        self.said.insert("stages".to_owned(), stages.into());
        Value::Object(self.said)
    }
}

// === impl Question ===

impl Question {
    /// Reads a question as JSON.
    pub fn parse(text: &[u8]) -> Result<Self, BadQuestion> {
        let Asked { to, method, target, authority, headers, receiver } = serde_json::from_slice(text)?;
        let one_line = |name: &str, value: &str| match value.contains(['\r', '\n']) {
            true => Err(BadQuestion::LineBreak(name.to_owned())),
            false => Ok(()),
        };
        if Method::from_bytes(method.as_bytes()).is_err() {
            return Err(BadQuestion::Method(method));
        }
        one_line("the target", &target)?;
        one_line("the authority", &authority)?;
        let mut head = format!("{method} {target} HTTP/1.1\r\nhost: {authority}\r\n");
        for (name, value) in headers {
            if HeaderName::from_bytes(name.as_bytes()).is_err() {
                return Err(BadQuestion::HeaderName(name));
            }
            one_line(&name, &value)?;
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let asks = match receiver {
            None => Side::Caller,
            Some(AskedReceiver { identity, from }) => {
                let parsed = |text: String| match text.parse() {
                    Ok(identity) => Ok(Arc::new(identity)),
                    Err(_) => Err(BadQuestion::Identity(text)),
                };
                Side::Receiver { identity: identity.map(parsed).transpose()?, from }
            }
        };
        Ok(Self { to, asks, head })
    }

    /// The request, read as one that has come.
    pub(crate) fn request(&self) -> Result<Request<Upload>, BadHead> {
        imagined(self.head.clone().into())
    }
}

// === impl Verdict ===

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Go => "go",
            Self::Depends => "depends",
            Self::WouldAsk => "would-ask",
            Self::Waits => "waits",
            Self::WouldRefuse => "would-refuse",
            Self::Answer => "answer",
            Self::Refuse => "refuse",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(over: &str) -> Result<Question, String> {
        let text = format!(
            r#"{{"to": "10.96.0.5:80", "method": "GET", "target": "/a?b", "authority": "reviews"{over}}}"#
        );
        Question::parse(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_question_becomes_the_request_that_its_head_says() {
        let question = parse(r#", "headers": [["X-Group", "beta"], ["x-group", "b"]]"#).unwrap();
        assert_eq!((question.to, &question.asks), ("10.96.0.5:80".parse().unwrap(), &Side::Caller));
        let request = question.request().unwrap();
        assert_eq!((request.method(), request.uri().path()), (&Method::GET, "/a"));
        assert_eq!(request.headers().get_all("x-group").iter().count(), 2);
        let identity = "spiffe://cluster.local/ns/shop/sa/web";
        let receiver = format!(r#", "receiver": {{"identity": "{identity}", "from": "10.0.0.7"}}"#);
        let Side::Receiver { identity: Some(read), from } = parse(&receiver).unwrap().asks else {
            panic!("a receiver is asked")
        };
        assert_eq!((read.as_str(), from), (identity, Some("10.0.0.7".parse().unwrap())));
    }

    #[test]
    fn what_is_wrong_with_a_question_is_said() {
        for (over, wrong) in [
            (r#", "headers": [["x y", "1"]]"#, "`x y` is not the name of a header"),
            (r#", "headers": [["x", "1\r\nhost: b"]]"#, "the value of x has a line break"),
            (r#", "receiver": {"identity": "web"}"#, "`web` is not an identity"),
            (r#", "body": "x""#, "unknown field `body`"),
        ] {
            let error = parse(over).unwrap_err();
            assert!(error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn of_changed_headers_secrets_are_not_told() {
        let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
            let pair = |(name, value): &(&'static str, &'static str)| {
                (HeaderName::from_static(name), http::HeaderValue::from_static(value))
            };
            pairs.iter().map(pair).collect()
        };
        let before = headers(&[("a", "1"), ("b", "2"), ("authorization", "Bearer x")]);
        let after = headers(&[("a", "1"), ("c", "3"), ("authorization", "Bearer y")]);
        let changes = Value::Object(changed(&before, &after));
        assert_eq!(changes, json!({ "b": null, "c": "3", "authorization": REDACTED }));
    }
    #[test]
    fn a_header_is_secret_by_the_words_in_its_name_and_its_twin_is_not() {
        for (secret, twin) in [
            ("Authorization", "Accept"),
            ("proxy-authorization", "proxy-connection"),
            ("x-auth-request-user", "x-request-id"),
            ("www-authenticate", "warning"),
            ("cookie", "content-type"),
            ("set-cookie", "content-length"),
            ("x-api-key", "x-api-version"),
            ("apikey", "api"),
            ("x_api_key", "x_api"),
            ("x-csrf-token", "traceparent"),
            ("x-amz-security-token", "x-amz-date"),
            ("x-client-secret", "x-client"),
            ("Mcp-Session-Id", "mcp-protocol-version"),
            ("x-password", "x-pass"),
            ("x-passwd", "x-forwarded-for"),
            ("x-credentials", "x-creation"),
            ("x-goog-iap-jwt-assertion", "x-goog-iap"),
            ("x-saml-assertion", "x-saml"),
            ("x-hub-signature-256", "x-hub"),
        ] {
            let told = |name: &str| shown(&HeaderName::from_bytes(name.as_bytes()).unwrap(), b"v");
            assert_eq!((&*told(secret), &*told(twin)), (REDACTED, "v"), "{secret}, {twin}");
        }
    }
}
