//! `Expect: 100-continue`: the caller asks before it sends, and whom it asks is the application, not the proxies between
//! (RFC 9110 10.1.1). So the body is held until the upstream says 100, and polling it then says so to the caller.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::EXPECT;
use http::{Request, Version};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::Upload;

/// An upstream that says nothing this long may not know of expectations: the body is sent as if it had agreed. Callers
/// do the same after as long (curl: 1 s).
const PATIENCE: Duration = Duration::from_secs(1);

/// With a request whose body is held: the upstream says through this that it wants it.
#[derive(Clone, Debug, Default)]
pub struct Agreement(Arc<Notify>);

/// Ends when the body may be sent.
pub struct Hold(Pin<Box<dyn Future<Output = ()>>>);

/// Holds the body of `request` back if its caller asks first. Only HTTP/1.1 upstreams can be asked: true means that the
/// request must be sent to one.
pub fn hold(request: &mut Request<Upload>) -> bool {
    if request.body().is_none() || request.version() != Version::HTTP_11 || !asks(request) {
        return false;
    }
    let agreement = Agreement::default();
    let agreed = agreement.0.clone();
    request.extensions_mut().insert(agreement);
    let hold = Hold(Box::pin(async move {
        let _ = timeout(PATIENCE, agreed.notified()).await;
    }));
    let body = std::mem::take(request.body_mut());
    *request.body_mut() = body.hold(hold);
    true
}

fn asks(request: &Request<Upload>) -> bool {
    request.headers().get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

// === impl Agreement ===

impl Agreement {
    pub fn give(&self) {
        self.0.notify_one();
    }
}

// === impl Hold ===

impl Hold {
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hold")
    }
}
