//! What requests that belong together have in common, as one number.

use std::borrow::Cow;
use std::net::IpAddr;

use http::header::COOKIE;
use http::{HeaderMap, Uri};

use super::super::query;
use super::hash::hash;
use crate::state::HashInput;

/// The key of a request: of the first of `inputs` that it has. `caller` is the pod it comes from.
pub fn of_request(
    inputs: &[HashInput],
    uri: &Uri,
    headers: &HeaderMap,
    caller: Option<IpAddr>,
) -> Option<u64> {
    inputs.iter().find_map(|input| match input {
        HashInput::Header(name) => {
            let mut values = headers.get_all(name).iter();
            let first = values.next()?.as_bytes();
            Some(match values.next() {
                None => whole(first)?,
                // As one value, as routes read it (RFC 9110 5.3).
                Some(second) => {
                    let rest = std::iter::once(second).chain(values).map(|value| value.as_bytes());
                    hash(&std::iter::once(first).chain(rest).collect::<Vec<_>>().join(&b','))
                }
            })
        }
        HashInput::Cookie(name) => whole(&cookie(headers, name)?),
        HashInput::Query(name) => whole(&query::parameter(uri.query()?, name)?),
        HashInput::Path => whole(uri.path().as_bytes()),
        HashInput::SourceAddress => of_caller(caller),
    })
}

/// The key of a connection whose bytes are not looked at: only its caller is known.
pub fn of_connection(inputs: &[HashInput], caller: Option<IpAddr>) -> Option<u64> {
    if inputs.contains(&HashInput::SourceAddress) { of_caller(caller) } else { None }
}

fn of_caller(caller: Option<IpAddr>) -> Option<u64> {
    Some(match caller? {
        IpAddr::V4(address) => hash(&address.octets()),
        IpAddr::V6(address) => hash(&address.octets()),
    })
}

/// Nothing tells nobody apart.
fn whole(bytes: &[u8]) -> Option<u64> {
    (!bytes.is_empty()).then(|| hash(bytes))
}

/// The first cookie of this name (RFC 6265 5.4), without the quotes that may stand around it.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<Cow<'a, [u8]>> {
    headers.get_all(COOKIE).iter().find_map(|header| {
        header.as_bytes().split(|byte| *byte == b';').find_map(|pair| {
            let pair = pair.trim_ascii();
            let value = pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
            let inner = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
            Some(Cow::Borrowed(inner.unwrap_or(value)))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn key(input: HashInput, uri: &str, headers: &[(&'static str, &'static str)]) -> Option<u64> {
        let pairs = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(name, value);
        }
        of_request(&[input], &uri.parse().unwrap(), &map, Some("10.0.0.1".parse().unwrap()))
    }

    #[test]
    fn each_input_is_read_where_it_stands() {
        let header = || HashInput::Header(HeaderName::from_static("x-user"));
        let cookie = || HashInput::Cookie("sid".into());
        let parameter = || HashInput::Query("id".into());
        let alice = Some(hash(b"alice"));
        assert_eq!(key(header(), "/", &[("x-user", "alice")]), alice);
        assert_eq!(key(header(), "/", &[("x-user", "a"), ("x-user", "b")]), Some(hash(b"a,b")));
        assert_eq!(key(header(), "/", &[("x-user", "")]), None);
        assert_eq!(key(header(), "/", &[]), None);
        assert_eq!(key(cookie(), "/", &[("cookie", "a=1; sid=alice; b=2")]), alice);
        assert_eq!(key(cookie(), "/", &[("cookie", "xsid=bob"), ("cookie", "sid=\"alice\"")]), alice);
        assert_eq!(key(cookie(), "/", &[("cookie", "sidx=bob; sid")]), None);
        assert_eq!(key(parameter(), "/?a=b&id=%61lice", &[]), alice);
        assert_eq!(key(parameter(), "/", &[]), None);
        assert_eq!(key(HashInput::Path, "/alice?id=bob", &[]), Some(hash(b"/alice")));
        assert_eq!(key(HashInput::SourceAddress, "/", &[]), Some(hash(&[10, 0, 0, 1])));
    }

    #[test]
    fn the_first_input_that_is_there_counts() {
        let inputs = [HashInput::Cookie("sid".into()), HashInput::Path];
        let key = of_request(&inputs, &"/a".parse().unwrap(), &HeaderMap::new(), None);
        assert_eq!(key, Some(hash(b"/a")));
        assert_eq!(of_request(&[], &"/a".parse().unwrap(), &HeaderMap::new(), None), None);
    }

    #[test]
    fn of_bytes_only_the_caller_is_known() {
        let caller = Some("fd00::1".parse().unwrap());
        assert!(of_connection(&[HashInput::Path, HashInput::SourceAddress], caller).is_some());
        assert_eq!(of_connection(&[HashInput::Path], caller), None);
    }
}
