//! A request on its way out.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::Request;
use http_body::{Body as _, Frame};
use tokio::io::AsyncWrite;

use super::Error;
use super::encode::{self, Coding};
use crate::http::Upload;
use crate::tcp::Stream;

/// What is left to send of a request. At most one frame of its body is held: an upstream that does not read holds its
/// caller back.
#[derive(Debug)]
pub struct Sending {
    /// The head, or what stands in front of `data`.
    text: Vec<u8>,
    /// How much of it has left.
    sent: usize,
    data: Bytes,
    /// What stands behind `data`.
    tail: &'static [u8],
    body: Upload,
    coding: Coding,
    /// The body has no more.
    ended: bool,
    unflushed: bool,
    /// Nothing was written, and nothing taken from the body, be it an error.
    untouched: bool,
}

// === impl Sending ===

impl Sending {
    /// Takes the body from `request`.
    pub fn new(request: &mut Request<Upload>) -> Self {
        let body = std::mem::take(request.body_mut());
        let coding = match (body.is_none(), body.size_hint().exact()) {
            (true, _) => Coding::None,
            (false, Some(length)) => Coding::Length(length),
            (false, None) => Coding::Chunked,
        };
        Self {
            text: encode::head(request, coding),
            sent: 0,
            data: Bytes::new(),
            tail: b"",
            ended: coding == Coding::None,
            body,
            coding,
            unflushed: false,
            untouched: true,
        }
    }

    /// The body, if the request can be sent elsewhere as if it had never been here.
    pub fn untouched(self) -> Option<Upload> {
        self.untouched.then_some(self.body)
    }

    /// Sends until all is sent, or the stream takes no more, or the body has no more now.
    pub fn poll(&mut self, cx: &mut Context<'_>, stream: &mut Stream) -> Poll<Result<(), Error>> {
        loop {
            let mut waits = false;
            // What the body has already leaves together with the head: one write.
            if !self.ended && self.data.is_empty() && self.tail.is_empty() {
                match Pin::new(&mut self.body).poll_frame(cx) {
                    Poll::Ready(frame) => {
                        self.untouched = false;
                        self.put(frame.transpose().map_err(Error::Body)?)?;
                    }
                    Poll::Pending => waits = true,
                }
            }
            if self.left() > 0 {
                ready!(self.poll_write(cx, stream))?;
            } else if self.unflushed {
                ready!(Pin::new(&mut *stream).poll_flush(cx))?;
                self.unflushed = false;
            } else if self.ended {
                return Poll::Ready(Ok(()));
            } else if waits {
                return Poll::Pending;
            }
        }
    }

    /// Makes ready for sending what the body gave; `None`: it has ended.
    fn put(&mut self, frame: Option<Frame<Bytes>>) -> Result<(), Error> {
        let Some(frame) = frame else {
            self.ended = true;
            match self.coding {
                Coding::Length(1..) => return Err(Error::Length),
                Coding::Chunked => self.tail = encode::END,
                Coding::Length(0) | Coding::None => {}
            }
            return Ok(());
        };
        let chunked = self.coding == Coding::Chunked;
        match frame.into_data() {
            // A chunk without data would be the last.
            Ok(data) if data.is_empty() => {}
            Ok(data) if chunked => {
                encode::chunk(&mut self.text, data.len());
                (self.data, self.tail) = (data, b"\r\n");
            }
            Ok(data) => {
                let Coding::Length(left) = &mut self.coding else { return Err(Error::Length) };
                *left = left.checked_sub(data.len() as u64).ok_or(Error::Length)?;
                self.data = data;
                // The end of a body of known length is known without asking for more.
                self.ended = *left == 0 && self.body.is_end_stream();
            }
            Err(frame) => {
                if let (true, Ok(trailers)) = (chunked, frame.into_trailers()) {
                    encode::trailers(&mut self.text, &trailers);
                    self.ended = true;
                }
            }
        }
        Ok(())
    }

    fn left(&self) -> usize {
        self.text.len() - self.sent + self.data.len() + self.tail.len()
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, stream: &mut Stream) -> Poll<Result<(), Error>> {
        let parts = [&self.text[self.sent..], &self.data, self.tail].map(IoSlice::new);
        let mut written = ready!(Pin::new(stream).poll_write_vectored(cx, &parts))?;
        if written == 0 {
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into()));
        }
        (self.untouched, self.unflushed) = (false, true);
        let of_text = written.min(self.text.len() - self.sent);
        self.sent += of_text;
        written -= of_text;
        if self.sent == self.text.len() {
            self.text.clear();
            self.sent = 0;
        }
        let of_data = written.min(self.data.len());
        self.data.advance(of_data);
        self.tail = &self.tail[written - of_data..];
        Poll::Ready(Ok(()))
    }
}
