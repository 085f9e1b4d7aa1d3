//! Cuts gRPC messages out of a body, as fast as one stream may send them.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::time::Instant;

use super::frames::Status;

/// What stands before a message: whether it is compressed, and its length.
const HEAD: usize = 5;
/// What a buffer may hold that is kept for the next messages.
const KEPT: usize = 32 * 1024;
/// A proxy answers each response, of which there are few, and asks as its pod finds new destinations.
const PER_SECOND: u32 = 200;
/// Reading is work for the control plane's one thread: the largest request twice over is more than a proxy has to say in a second.
const BYTES_PER_SECOND: usize = 2 * 1024 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub struct Messages {
    arrived: BytesMut,
}

/// How much of a second's messages has been read.
#[derive(Debug)]
pub struct Pace {
    since: Instant,
    messages: u32,
    bytes: usize,
}

// === impl Messages ===

impl Messages {
    pub fn push(&mut self, data: &[u8]) {
        self.arrived.extend_from_slice(data);
    }

    /// Bytes that wait for the rest of their message.
    pub fn waiting(&self) -> usize {
        self.arrived.len()
    }

    /// Memory that they take.
    pub fn held(&self) -> usize {
        self.arrived.capacity()
    }

    /// The next message with what stands before it, of at most `largest` bytes; the error is how the stream ends.
    pub fn next(&mut self, largest: usize) -> Result<Option<Bytes>, Status> {
        let Some((&[flag, ref length @ ..], _)) = self.arrived.split_first_chunk::<HEAD>() else {
            return Ok(None);
        };
        if flag != 0 {
            let text = "compressed messages are not supported; send grpc-encoding: identity".to_owned();
            return Err(Status { code: Status::UNIMPLEMENTED, text });
        }
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
        if length > largest {
            let text = format!("message of {length} bytes; the limit is {largest}");
            return Err(Status { code: Status::RESOURCE_EXHAUSTED, text });
        }
        if self.arrived.len() < HEAD + length {
            return Ok(None);
        }
        let message = Bytes::copy_from_slice(&self.arrived[..HEAD + length]);
        // A stream is quiet for most of its life: it keeps no buffer, and never that of a large message.
        let is_large = self.arrived.capacity() > KEPT;
        self.arrived.advance(HEAD + length);
        if self.arrived.is_empty() || is_large {
            self.arrived = BytesMut::from(&self.arrived[..]);
        }
        Ok(Some(message))
    }
}

// === impl Pace ===

impl Pace {
    pub fn new(now: Instant) -> Self {
        Self { since: now, messages: 0, bytes: 0 }
    }

    /// A message was read: how long nothing more is to be read.
    pub fn read(&mut self, bytes: usize, now: Instant) -> Option<Duration> {
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            *self = Self::new(now);
        }
        self.messages += 1;
        self.bytes += bytes;
        let over = self.messages > PER_SECOND || self.bytes > BYTES_PER_SECOND;
        over.then(|| (self.since + Duration::from_secs(1)).saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(body: &[u8]) -> Vec<u8> {
        let mut framed = vec![0];
        framed.extend((body.len() as u32).to_be_bytes());
        framed.extend(body);
        framed
    }

    #[test]
    fn messages_come_out_whole_wherever_the_body_is_cut() {
        let body = [framed(b"one"), framed(b""), framed(b"three")].concat();
        for cut in 0..=body.len() {
            let (mut messages, mut out) = (Messages::default(), Vec::new());
            for part in [&body[..cut], &body[cut..]] {
                messages.push(part);
                while let Some(message) = messages.next(5).unwrap() {
                    out.push(message[HEAD..].to_vec());
                }
            }
            assert_eq!(out, [&b"one"[..], b"", b"three"], "cut at {cut}");
            assert_eq!(messages.waiting(), 0);
        }
    }

    #[test]
    fn a_message_that_is_too_long_or_compressed_ends_the_stream_before_it_has_come() {
        let mut messages = Messages::default();
        messages.push(&framed(&[0; 9])[..HEAD]);
        assert_eq!(messages.next(8).unwrap_err().code, Status::RESOURCE_EXHAUSTED);
        assert_eq!(messages.next(9).unwrap(), None);
        let mut messages = Messages::default();
        messages.push(&[1, 0, 0, 0, 0]);
        assert_eq!(messages.next(8).unwrap_err().code, Status::UNIMPLEMENTED);
    }

    #[test]
    fn the_memory_of_a_large_message_goes_with_it() {
        let mut messages = Messages::default();
        messages.push(&[framed(&[1; 1_000_000]), framed(b"the next")].concat());
        assert_eq!(messages.next(1_000_000).unwrap().unwrap().len(), HEAD + 1_000_000);
        assert!(messages.held() < KEPT);
        assert_eq!(messages.next(8).unwrap().unwrap()[HEAD..], *b"the next");
        assert_eq!(messages.held(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_has_so_many_messages_and_bytes_and_then_a_pause() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let half = start + Duration::from_millis(500);
        for _ in 0..PER_SECOND {
            assert_eq!(pace.read(1, half), None);
        }
        assert_eq!(pace.read(1, half), Some(Duration::from_millis(500)));
        let next = start + Duration::from_secs(1);
        assert_eq!(pace.read(BYTES_PER_SECOND, next), None);
        assert_eq!(pace.read(1, next), Some(Duration::from_secs(1)));
    }
}
