//! The beginning of a body that somebody looks at before it goes on.

use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use super::Source;
use crate::held;
use crate::http::WireError;

/// See the module. What comes in many pieces goes on as one, which changes no byte of it.
#[derive(Debug)]
pub(super) struct Gathered {
    start: BytesMut,
    trailers: Option<HeaderMap>,
    /// Nothing follows what is here.
    ended: bool,
    /// Its caller has told how long it is. Who has not must not seem to.
    told: bool,
    rest: Source,
    /// What is here counts for the worker.
    count: held::Count,
}

/// How much of a body is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrived {
    Whole,
    /// More than was to be gathered, and perhaps not all of it.
    Longer,
}

/// Why no more of a body is gathered.
#[derive(Debug)]
pub enum NotGathered {
    /// It broke off or is malformed.
    Broken(WireError),
    /// The worker holds much already.
    NoRoom,
}

// === impl Gathered ===

impl Gathered {
    pub fn of(rest: Source) -> Self {
        let told = rest.size_hint().exact().is_some();
        let (start, count) = (BytesMut::new(), held::Count::default());
        Self { start, trailers: None, ended: false, told, rest, count }
    }

    pub fn poll_more(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<Result<Arrived, NotGathered>> {
        loop {
            if self.start.len() > most {
                return Poll::Ready(Ok(Arrived::Longer));
            }
            if self.ended || self.rest.is_end_stream() {
                self.ended = true;
                return Poll::Ready(Ok(Arrived::Whole));
            }
            match ready!(self.rest.poll_frame(cx)) {
                None => self.ended = true,
                Some(Err(error)) => return Poll::Ready(Err(NotGathered::Broken(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        let room = held::has_room(data.len());
                        self.start.extend_from_slice(&data);
                        self.count.set(self.start.capacity());
                        if !room {
                            return Poll::Ready(Err(NotGathered::NoRoom));
                        }
                    }
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok();
                        self.ended = true;
                    }
                },
            }
        }
    }

    pub fn beginning(&self, most: usize) -> Bytes {
        Bytes::copy_from_slice(&self.start[..self.start.len().min(most)])
    }

    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, WireError>>> {
        if !self.start.is_empty() {
            self.count.set(0);
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.start).freeze()))));
        }
        if let Some(trailers) = self.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        if self.ended { Poll::Ready(None) } else { self.rest.poll_frame(cx) }
    }

    pub fn is_end_stream(&self) -> bool {
        self.start.is_empty() && self.trailers.is_none() && (self.ended || self.rest.is_end_stream())
    }

    pub fn size_hint(&self) -> SizeHint {
        let rest = if self.ended { Some(0) } else { self.rest.size_hint().exact() };
        match rest.filter(|_| self.told) {
            Some(rest) => SizeHint::with_exact(rest + self.start.len() as u64),
            None => SizeHint::default(),
        }
    }
}
