//! One concrete stream type for the whole path, so that the HTTP machinery is compiled once.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use super::{Prefixed, ReadAhead};
use crate::socket;

/// A connection to the application or to a peer.
#[derive(Debug)]
pub enum Stream {
    Plain(Prefixed<TcpStream>),
    Tls(Box<TlsStream<ReadAhead<Prefixed<TcpStream>>>>),
    /// One of which something was read already.
    Begun(Box<Prefixed<Stream>>),
}

macro_rules! each {
    ($self:ident, $io:ident => $body:expr) => {
        match $self.get_mut() {
            Stream::Plain($io) => $body,
            Stream::Tls($io) => $body,
            Stream::Begun($io) => $body,
        }
    };
}

// === impl Stream ===

impl Stream {
    /// The same, to be read from `prefix` on.
    pub fn after(self, prefix: Bytes) -> Self {
        Self::Begun(Box::new(Prefixed::new(prefix, self)))
    }

    /// Ends both directions at once, as seen from here too: who waits for the other side reads an end.
    pub fn shut(&self) -> io::Result<()> {
        let tcp = match self {
            Self::Plain(tcp) => tcp.get_ref(),
            Self::Tls(tls) => tls.get_ref().0.get_ref().get_ref(),
            Self::Begun(stream) => return stream.get_ref().shut(),
        };
        socket::shut(tcp)
    }
}

impl From<TcpStream> for Stream {
    fn from(tcp: TcpStream) -> Self {
        Self::Plain(tcp.into())
    }
}

impl From<Prefixed<TcpStream>> for Stream {
    fn from(tcp: Prefixed<TcpStream>) -> Self {
        Self::Plain(tcp)
    }
}

impl From<tokio_rustls::client::TlsStream<ReadAhead<Prefixed<TcpStream>>>> for Stream {
    fn from(tls: tokio_rustls::client::TlsStream<ReadAhead<Prefixed<TcpStream>>>) -> Self {
        Self::Tls(Box::new(tls.into()))
    }
}

impl From<tokio_rustls::server::TlsStream<ReadAhead<Prefixed<TcpStream>>>> for Stream {
    fn from(tls: tokio_rustls::server::TlsStream<ReadAhead<Prefixed<TcpStream>>>) -> Self {
        Self::Tls(Box::new(tls.into()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, io => Pin::new(io).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, io => Pin::new(io).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Plain(io) => io.is_write_vectored(),
            Stream::Tls(io) => io.is_write_vectored(),
            Stream::Begun(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_shutdown(cx))
    }
}
