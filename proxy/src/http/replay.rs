//! When a request may be sent once more although it has left.
//!
//! Its head is copied before it is sent; its body must be none, or kept.

use http::{Method, Request};

use super::Upload;

/// A copy of a request without a body, or with one that is kept.
pub fn copy(request: &Request<Upload>) -> Option<Request<Upload>> {
    Some(with_head_of(request, request.body().again()?))
}

/// A request with `body` and the head of `request`.
pub fn with_head_of(request: &Request<Upload>, body: Upload) -> Request<Upload> {
    let mut copy = Request::new(body);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// Whether the request changes nothing, so that it may be sent twice.
pub fn is_safe(request: &Request<Upload>) -> bool {
    request.body().is_none() && matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
}

/// A copy of a request that changes nothing, and that may be sent again when a kept connection turns out to have been
/// closed by its server while the request was under way (RFC 9112 9.3.1).
pub fn copy_if_safe(request: &Request<Upload>) -> Option<Request<Upload>> {
    if is_safe(request) { copy(request) } else { None }
}

/// Whether `error` means that the connection ended rather than that something was wrong on it.
pub fn connection_ended(error: &hyper::Error) -> bool {
    use std::error::Error as _;
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected, UnexpectedEof};
    let io = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
    error.is_incomplete_message()
        || error.is_closed()
        || error.is_canceled()
        || io.is_some_and(|io| {
            matches!(io.kind(), BrokenPipe | ConnectionReset | NotConnected | UnexpectedEof)
        })
}

/// Whether the request was given up on this side, because the body that its caller sent was malformed or ended early.
pub fn caller_failed(error: &hyper::Error) -> bool {
    use std::error::Error as _;
    let h2 = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    error.is_user() || h2.is_some_and(|error| error.is_reset() && !error.is_remote() && !error.is_library())
}

/// Whether the server said that it did not look at the request: it refused the stream, or is going away and named an
/// earlier stream as the last that it takes (RFC 9113 6.8, 8.7). h2 gives the error of a server's GOAWAY to later streams only.
pub fn stream_refused(error: &hyper::Error) -> bool {
    use std::error::Error as _;
    let h2 = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    h2.is_some_and(|error| {
        error.reason() == Some(h2::Reason::REFUSED_STREAM) || (error.is_go_away() && error.is_remote())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Its type in the head of a frame.
    const HEADERS: u8 = 1;
    /// SETTINGS without settings.
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

    /// What becomes of a first request whose server answers its head with `frame`.
    async fn ended_by(frame: &[u8]) -> hyper::Error {
        let (near, mut far) = tokio::io::duplex(16 * 1024);
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(near)).await.unwrap();
        tokio::spawn(connection);
        let answered = async {
            far.write_all(&SETTINGS).await.unwrap();
            far.read_exact(&mut [0; 24]).await.unwrap(); // the preface
            let mut head = [0; 9];
            while head[3] != HEADERS {
                far.read_exact(&mut head).await.unwrap();
                far.read_exact(&mut vec![0; usize::from(head[2])]).await.unwrap();
            }
            far.write_all(frame).await.unwrap();
        };
        let request = Request::get("http://a/").body(String::new()).unwrap();
        let (result, ()) = tokio::join!(sender.send_request(request), answered);
        result.unwrap_err()
    }

    #[tokio::test]
    async fn a_server_that_goes_away_has_not_looked_at_later_streams() {
        let last = |stream: u8| [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, stream, 0, 0, 0, 0];
        assert!(stream_refused(&ended_by(&last(0)).await));
        let reset = |code: u8| [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, code];
        assert!(stream_refused(&ended_by(&reset(7)).await), "REFUSED_STREAM");
        assert!(!stream_refused(&ended_by(&reset(2)).await), "INTERNAL_ERROR");
    }
}
