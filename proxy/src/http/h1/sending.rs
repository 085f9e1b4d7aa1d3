//! A message on its way out.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame};

use super::io::Io;
use super::{Error, encode};

/// Parts that are this short together are copied, since one slice leaves for less than several do.
const SHORT: usize = 1024;

/// How a body is told apart from what follows it (RFC 9112 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// There is none, whatever the message has.
    None,
    Length(u64),
    Chunked,
    /// By the end of the connection.
    UntilClose,
}

/// What is left to send of a message. At most one frame of its body is held: a peer that does not read holds who sends back.
#[derive(Debug)]
pub struct Sending<B: Body> {
    /// The head, or what stands in front of `data`.
    text: Vec<u8>,
    /// How much of it has left.
    sent: usize,
    data: Bytes,
    /// What stands behind `data`.
    tail: &'static [u8],
    body: B,
    coding: Coding,
    /// Whether the peer reads trailers.
    trailers: bool,
    /// The body has no more.
    ended: bool,
    /// It is a response, whose head is sent before it breaks off; of a request that breaks off at once nothing is.
    answers: bool,
    failed: Option<Unsent<B::Error>>,
    unflushed: bool,
    /// Nothing was written, and nothing taken from the body, be it an error.
    untouched: bool,
}

/// Why a message did not leave whole.
#[derive(Debug)]
pub enum Unsent<E> {
    Io(io::Error),
    Body(E),
    /// The body has not the length that the head says.
    Length,
}

// === impl Sending ===

impl<B: Body<Data = Bytes> + Unpin> Sending<B> {
    /// `head` says of the framing of `body` what `coding` is.
    pub fn new(head: Vec<u8>, coding: Coding, body: B, trailers: bool) -> Self {
        Self {
            text: head,
            sent: 0,
            data: Bytes::new(),
            tail: b"",
            ended: coding == Coding::None || coding == Coding::Length(0) && body.is_end_stream(),
            body,
            coding,
            trailers,
            answers: false,
            failed: None,
            unflushed: false,
            untouched: true,
        }
    }

    /// The same of a response.
    pub fn response(head: Vec<u8>, coding: Coding, body: B, trailers: bool) -> Self {
        Self { answers: true, ..Self::new(head, coding, body, trailers) }
    }

    /// The body, if the message can be sent elsewhere as if it had never been here.
    pub fn untouched(self) -> Option<B> {
        self.untouched.then_some(self.body)
    }

    /// Whether the end of the connection is that of the body.
    pub fn is_until_close(&self) -> bool {
        self.coding == Coding::UntilClose
    }

    /// Sends until all is sent, or the peer takes no more, or the body has no more now.
    pub fn poll(&mut self, cx: &mut Context<'_>, io: &Io) -> Poll<Result<(), Unsent<B::Error>>> {
        loop {
            let mut waits = false;
            // What the body has already leaves together with the head: one write.
            if !self.ended && self.failed.is_none() && self.data.is_empty() && self.tail.is_empty() {
                match Pin::new(&mut self.body).poll_frame(cx) {
                    Poll::Ready(frame) => {
                        self.untouched = false;
                        let put = match frame {
                            Some(Ok(frame)) => self.put(frame),
                            Some(Err(error)) => Err(Unsent::Body(error)),
                            None => self.end(),
                        };
                        match put {
                            Ok(()) => {}
                            Err(failed) if !self.answers => return Poll::Ready(Err(failed)),
                            Err(failed) => self.failed = Some(failed),
                        }
                    }
                    Poll::Pending => waits = true,
                }
            }
            if self.left() > 0 {
                ready!(self.poll_write(cx, io)).map_err(Unsent::Io)?;
            } else if self.unflushed {
                ready!(io.poll_flush(cx)).map_err(Unsent::Io)?;
                self.unflushed = false;
            } else if let Some(failed) = self.failed.take() {
                return Poll::Ready(Err(failed));
            } else if self.ended {
                return Poll::Ready(Ok(()));
            } else if waits {
                return Poll::Pending;
            }
        }
    }

    /// The body has ended.
    fn end(&mut self) -> Result<(), Unsent<B::Error>> {
        self.ended = true;
        match self.coding {
            Coding::Length(1..) => return Err(Unsent::Length),
            Coding::Chunked => self.tail = encode::END,
            Coding::Length(0) | Coding::None | Coding::UntilClose => {}
        }
        Ok(())
    }

    /// Makes ready for sending what the body gave.
    fn put(&mut self, frame: Frame<Bytes>) -> Result<(), Unsent<B::Error>> {
        match frame.into_data() {
            // A chunk without data would be the last.
            Ok(data) if data.is_empty() => {}
            Ok(data) => self.put_data(data)?,
            Err(frame) => {
                if let (Coding::Chunked, Ok(trailers)) = (self.coding, frame.into_trailers()) {
                    if self.trailers {
                        encode::trailers(&mut self.text, &trailers);
                    } else {
                        self.tail = encode::END;
                    }
                    self.ended = true;
                }
            }
        }
        Ok(())
    }

    fn put_data(&mut self, data: Bytes) -> Result<(), Unsent<B::Error>> {
        match &mut self.coding {
            Coding::None => return Err(Unsent::Length),
            Coding::Length(left) => {
                *left = left.checked_sub(data.len() as u64).ok_or(Unsent::Length)?;
                self.ended = *left == 0 && self.body.is_end_stream();
            }
            Coding::Chunked => {
                encode::chunk(&mut self.text, data.len());
                // The last data, its end and that of the body are one write.
                self.ended = self.body.is_end_stream();
                self.tail = if self.ended { encode::DATA_END_AND_END } else { encode::DATA_END };
            }
            Coding::UntilClose => {}
        }
        self.data = data;
        Ok(())
    }

    fn left(&self) -> usize {
        self.text.len() - self.sent + self.data.len() + self.tail.len()
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, io: &Io) -> Poll<io::Result<()>> {
        let parts = [&self.text[self.sent..], &self.data, self.tail];
        let whole;
        let slices = match parts {
            [text, [], []] => &[IoSlice::new(text)][..],
            _ if self.left() <= SHORT => {
                whole = parts.concat();
                &[IoSlice::new(&whole)]
            }
            _ => &parts.map(IoSlice::new),
        };
        let mut written = ready!(io.poll_write(cx, slices))?;
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

// === impl Unsent ===

impl<E> Unsent<E> {
    /// As an error of the connection; `body` says what one of the body is.
    pub fn into_error(self, body: impl FnOnce(E) -> Error) -> Error {
        match self {
            Self::Io(error) => error.into(),
            Self::Body(error) => body(error),
            Self::Length => Error::Length,
        }
    }
}
