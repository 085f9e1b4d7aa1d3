//! What routes do beside: copies of requests, and permissions for browsers.

use std::num::NonZeroU32;
use std::sync::Arc;

use http::HeaderValue;

use super::action::{header_name, header_value};
use super::{Reject, each};
use crate::state::{Compared, Cors, Listed, Mirror, Origins};
use crate::wire::weft::v1 as wire;

pub(super) fn mirror(wire: &wire::Mirror, backends: usize) -> Result<Mirror, Reject> {
    let backend = wire.backend as usize;
    if backend >= backends {
        return Err(reject!("backend {backend} is not among {backends}"));
    }
    let compared = |wire: &wire::Comparison| -> Result<_, Reject> {
        let headers = each("headers", &wire.headers, |name| header_name(name))?;
        Ok(Arc::new(Compared { headers, body: wire.body }))
    };
    Ok(Mirror {
        backend,
        numerator: wire.numerator,
        denominator: NonZeroU32::new(wire.denominator).ok_or_else(|| reject!("the denominator is 0"))?,
        compare: wire.compare.as_ref().map(compared).transpose()?,
    })
}

pub(super) fn cors(wire: &wire::Cors) -> Result<Cors, Reject> {
    let origin = |text: &String| {
        Origins::parse(text).ok_or_else(|| reject!("`{}` is no origin", text.escape_default()))
    };
    Ok(Cors {
        origins: each("allow_origins", &wire.allow_origins, origin)?,
        methods: listed(&wire.allow_methods)?,
        headers: listed(&wire.allow_headers)?,
        expose: listed(&wire.expose_headers)?,
        credentials: wire.allow_credentials,
        max_age: HeaderValue::from(wire.max_age_s),
    })
}

/// Methods and names of headers are tokens alike.
fn listed(names: &[String]) -> Result<Listed, Reject> {
    match names {
        [] => Ok(Listed::Nothing),
        names if names.iter().any(|name| name == "*") => Ok(Listed::Every),
        names => {
            each("names", names, |name| header_name(name))?;
            header_value(&names.join(", ")).map(Listed::These)
        }
    }
}
