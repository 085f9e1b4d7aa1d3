//! The body of a response.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::chunks::{self, Chunks, Part};
use super::connection::Uploading;
use super::head::Framing;
use super::{Connection, Error};

/// Read as its taker asks for it, so that a slow one holds the server back.
#[derive(Debug)]
pub struct Incoming {
    /// Until the end.
    connection: Option<Rc<Connection>>,
    framing: Framing,
    uploading: Option<Uploading>,
}

// === impl Incoming ===

impl Incoming {
    pub(super) fn new(
        connection: Option<Rc<Connection>>,
        framing: Framing,
        uploading: Option<Uploading>,
    ) -> Self {
        let mut body = Self { connection, framing, uploading };
        body.end_if_over();
        body
    }

    fn end_if_over(&mut self) {
        if matches!(self.framing, Framing::Length(0) | Framing::Chunked(Chunks::Ended)) {
            self.end();
        }
    }

    fn end(&mut self) {
        self.connection = None;
        if let Some(uploading) = self.uploading.take() {
            uploading.detach();
        }
    }

    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Part, Error>> {
        let Some(connection) = &self.connection else { return Poll::Ready(Ok(Part::End)) };
        let mut io = connection.io();
        loop {
            let part = match &mut self.framing {
                Framing::Chunked(chunks) => chunks.next(&mut io.unread)?,
                _ if io.unread.is_empty() => Part::Missing,
                Framing::Length(left) => {
                    let data = chunks::take(&mut io.unread, *left);
                    *left -= data.len() as u64;
                    Part::Data(data)
                }
                Framing::UntilClose => Part::Data(std::mem::take(&mut io.unread)),
            };
            if io.unread.is_empty() {
                io.unread = Bytes::new(); // gives the buffer behind it back
            }
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
            Err(error) => return Poll::Ready(Some(Err(error))),
        };
        self.end_if_over();
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.connection.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.connection, self.framing) {
            (None, _) => SizeHint::with_exact(0),
            (Some(_), Framing::Length(left)) => SizeHint::with_exact(left),
            (Some(_), _) => SizeHint::default(),
        }
    }
}
