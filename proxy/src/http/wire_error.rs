//! What went wrong on a connection, in either HTTP.

use std::io;

use thiserror::Error;

use super::h1;

/// See the module.
#[derive(Debug, Error)]
pub enum WireError {
    #[error(transparent)]
    H1(#[from] h1::Error),
    /// Boxed, because it is large; the source, where it is looked for by those who pass its reason on.
    #[error("{0}")]
    H2(#[source] Box<h2::Error>),
    #[error("the trailers are longer than the mesh carries, which is 256 KiB")]
    TrailersTooLong,
    #[error("the request is being sent again, and this attempt was given up")]
    Overtaken,
}

// === impl WireError ===

impl From<h2::Error> for WireError {
    fn from(error: h2::Error) -> Self {
        Self::H2(Box::new(error))
    }
}

impl WireError {
    /// Whether the connection ended rather than that something was wrong on it.
    pub fn connection_ended(&self) -> bool {
        match self {
            Self::H1(error) => error.connection_ended(),
            Self::H2(error) => error.get_io().is_some_and(is_end),
            Self::TrailersTooLong | Self::Overtaken => false,
        }
    }

    /// Whether the request was given up on this side, because the body that its caller sent was malformed or ended early.
    pub fn caller_failed(&self) -> bool {
        match self {
            Self::H1(error) => error.caller_failed(),
            Self::H2(error) => error.is_reset() && !error.is_remote() && !error.is_library(),
            Self::TrailersTooLong => false,
            Self::Overtaken => true,
        }
    }

    /// Whether the other side gave the stream up, without saying that anything went wrong.
    pub fn given_up(&self) -> bool {
        use h2::Reason;
        let Self::H2(error) = self else { return false };
        let plain = [Reason::CANCEL, Reason::NO_ERROR, Reason::REFUSED_STREAM];
        error.is_reset() && error.is_remote() && error.reason().is_some_and(|reason| plain.contains(&reason))
    }

    /// Whether a response came and could not be read: it is malformed, or its head is too long.
    pub fn is_bad_response(&self) -> bool {
        match self {
            Self::H1(error) => {
                matches!(error, h1::Error::Malformed(_) | h1::Error::Head(_) | h1::Error::HeadTooLong)
            }
            Self::H2(error) => error.is_reset() && error.is_library(),
            Self::TrailersTooLong | Self::Overtaken => false,
        }
    }

    /// Whether the server said that it did not look at the request: it refused the stream, or is going away and named an
    /// earlier stream as the last that it takes (RFC 9113 6.8, 8.7). h2 gives the error of a server's GOAWAY to later streams only.
    pub fn stream_refused(&self) -> bool {
        let Self::H2(error) = self else { return false };
        // `h2` refuses by itself, with the same code, a response whose head is too long: that one was acted on.
        error.is_remote() && (error.reason() == Some(h2::Reason::REFUSED_STREAM) || error.is_go_away())
    }
}

/// Whether the connection ended.
pub(super) fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | NotConnected | UnexpectedEof)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Its type in the head of a frame.
    const HEADERS: u8 = 1;
    /// SETTINGS without settings.
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

    /// What becomes of a first request whose server answers its head with `frame`.
    async fn ended_by(frame: &[u8]) -> WireError {
        let (near, mut far) = tokio::io::duplex(16 * 1024);
        let (sender, connection) = h2::client::handshake(near).await.unwrap();
        tokio::spawn(connection);
        let mut sender = sender.ready().await.unwrap();
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
        let request = Request::get("http://a/").body(()).unwrap();
        let (answer, _) = sender.send_request(request, true).unwrap();
        let (result, ()) = tokio::join!(answer, answered);
        result.unwrap_err().into()
    }

    #[tokio::test]
    async fn a_server_that_goes_away_has_not_looked_at_later_streams() {
        let last = |stream: u8| [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, stream, 0, 0, 0, 0];
        assert!(ended_by(&last(0)).await.stream_refused());
        let reset = |code: u8| [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, code];
        assert!(ended_by(&reset(7)).await.stream_refused(), "REFUSED_STREAM");
        assert!(!ended_by(&reset(2)).await.stream_refused(), "INTERNAL_ERROR");
    }
}
