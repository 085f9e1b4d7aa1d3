//! The body of a message, read as its taker asks for it, so that a slow one holds the sender back.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::Error;
use super::chunks::{self, Part};
use super::client::Uploading;
use super::framing::Framing;
use super::io::{Io, Reading};

/// See the module.
#[derive(Debug)]
pub struct Incoming {
    /// Until the end.
    io: Option<Rc<Io>>,
    framing: Framing,
    broken: bool,
    /// The request that a response's body answers, where it is not sent yet.
    uploading: Option<Uploading>,
}

// === impl Incoming ===

impl Incoming {
    pub(super) fn new(io: &Rc<Io>, framing: Framing, uploading: Option<Uploading>) -> Self {
        io.set_reading(Reading::UnderWay);
        let mut body = Self { io: Some(io.clone()), framing, broken: false, uploading };
        body.end_if_over();
        body
    }

    fn end_if_over(&mut self) {
        if self.framing.is_over() {
            self.end();
        }
    }

    fn end(&mut self) {
        if let Some(io) = self.io.take() {
            io.set_reading(Reading::Ended);
        }
        if let Some(uploading) = self.uploading.take() {
            uploading.detach();
        }
    }

    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Part, Error>> {
        let Some(io) = &self.io else { return Poll::Ready(Ok(Part::End)) };
        if self.broken {
            return Poll::Ready(Err(Error::Closed));
        }
        ready!(io.poll_interim(cx))?;
        loop {
            let part = io.with_unread(|unread| match &mut self.framing {
                Framing::Chunked(chunks) => chunks.next(unread),
                _ if unread.is_empty() => Ok(Part::Missing),
                Framing::Length(left) => {
                    let data = chunks::take(unread, *left);
                    *left -= data.len() as u64;
                    Ok(Part::Data(data))
                }
                Framing::UntilClose => Ok(Part::Data(std::mem::take(unread))),
            })?;
            if !matches!(part, Part::Missing) {
                return Poll::Ready(Ok(part));
            }
            if ready!(io.poll_fill(cx))? == 0 {
                let whole = matches!(self.framing, Framing::UntilClose);
                return Poll::Ready(if whole { Ok(Part::End) } else { Err(Error::Closed) });
            }
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Some(io) = self.io.take()
            && !self.broken
        {
            io.set_reading(Reading::Left(self.framing));
        }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = match ready!(self.poll_part(cx)) {
            Ok(Part::Data(data)) => Frame::data(data),
            Ok(Part::Trailers(trailers)) => Frame::trailers(trailers),
            Ok(Part::End | Part::Missing) => {
                self.end();
                return Poll::Ready(None);
            }
            Err(error) => {
                self.broken = true;
                if let Some(io) = &self.io {
                    io.set_reading(Reading::Broken);
                }
                return Poll::Ready(Some(Err(error)));
            }
        };
        self.end_if_over();
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.io.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.io, self.framing) {
            (None, _) => SizeHint::with_exact(0),
            (Some(_), Framing::Length(left)) => SizeHint::with_exact(left),
            (Some(_), _) => SizeHint::default(),
        }
    }
}
