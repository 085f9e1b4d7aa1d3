//! The beginning of a body that somebody looks at before it goes on.

use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use super::Source;
use crate::held;
use crate::http::WireError;

/// See the module. It goes on in other pieces than it came in, which changes no byte of it, and in short ones: what a slow application
/// has not taken yet stays here, where it counts.
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

    pub fn beginning(&self, most: usize) -> Option<Bytes> {
        let beginning = &self.start[..self.start.len().min(most)];
        held::has_room(beginning.len()).then(|| Bytes::copy_from_slice(beginning))
    }

    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, WireError>>> {
        if !self.start.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(self.next_piece()))));
        }
        if let Some(trailers) = self.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        if self.ended { Poll::Ready(None) } else { self.rest.poll_frame(cx) }
    }

    /// A copy, since any part of what is here would keep all of it in memory.
    fn next_piece(&mut self) -> Bytes {
        let piece = Bytes::copy_from_slice(&self.start[..self.start.len().min(held::SMALL_READ)]);
        self.start.advance(piece.len());
        if self.start.is_empty() {
            self.start = BytesMut::new();
            self.count.set(0);
        }
        piece
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

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::http::{Recorded, Upload};

    #[tokio::test]
    async fn what_waits_to_go_on_counts_until_its_last_piece_has_gone() {
        held::allow(200_000);
        let sent: Vec<u8> = (0..40_000u32).map(|index| index.to_le_bytes()[0]).collect();
        let mut upload = Upload::from(Recorded::from(Bytes::from(sent.clone())));
        assert_eq!(upload.gather(50_000).await.unwrap(), Arrived::Whole);
        assert!(!held::has_room(60_001), "it counts");
        assert_eq!(upload.beginning(10).unwrap(), sent[..10]);
        let mut went = Vec::new();
        while went.len() < sent.len() {
            assert!(!held::has_room(60_001), "as long as some of it waits");
            assert!(!http_body::Body::is_end_stream(&upload));
            let piece = upload.frame().await.unwrap().unwrap().into_data().unwrap();
            assert!(piece.len() <= held::SMALL_READ);
            went.extend_from_slice(&piece);
        }
        assert!(went == sent && http_body::Body::is_end_stream(&upload) && held::has_room(100_000));
        assert!(upload.frame().await.is_none());
    }

    #[tokio::test]
    async fn nobody_looks_at_what_there_is_no_room_to_copy() {
        held::allow(100_000);
        let mut upload = Upload::from(Recorded::from(Bytes::from(vec![7; 30_000])));
        assert_eq!(upload.gather(30_000).await.unwrap(), Arrived::Whole);
        assert_eq!(upload.beginning(30_000), None);
        assert!(upload.beginning(10_000).is_some());
        let mut another = Upload::from(Recorded::from(Bytes::from(vec![7; 30_000])));
        assert!(matches!(another.gather(30_000).await, Err(NotGathered::NoRoom)));
    }
}
