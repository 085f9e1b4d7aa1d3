//! What is looked at of the frames a peer sends, before h2 reads them.
//!
//! h2 ends a connection at the hundred-and-first empty DATA frame of its life. Some servers send one with each flush, and all
//! callers of a pod share that connection. An empty frame that does not end its stream says nothing, so it is left out here;
//! only a peer that sends a flood of them has them counted by h2.
//!
//! DATA frames are counted too, for what they cost h2 to keep while nobody reads them (see [`super::intake`]).
//!
//! So is the length of trailers. Of a head whose fields are too long h2 makes an error; of trailers it leaves out the field that is
//! too much, and all behind it, without a word, and what is left looks whole.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

const HEAD: usize = 9;
/// What a client says before its first frame, see RFC 9113 3.4.
const PREFACE: u32 = 24;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
/// Empty frames that are left out in [`EMPTY_PERIOD`].
const EMPTY_MOST: u32 = 1000;
const EMPTY_PERIOD: Duration = Duration::from_secs(1);
/// What h2 reckons for keeping a frame, in bytes: a smaller one costs it the difference.
const KEEPING: u32 = 256;
/// What is much to have unread: with what one more read may bring, less than h2 allows (see [`super::DATA_BUDGET`]).
const MUCH_KEEPING: u32 = 1024 * 1024;
/// Of bytes. Each part that nobody reads keeps all that was read with it.
const MUCH_BYTES: u32 = 1024 * 1024;
/// Streams whose last fields were long, and that have not been read so far yet. More than can be open; each took its sender kilobytes.
const LONG_MOST: usize = 4096;
/// What a field may take from the table of HPACK, whose length is the usual one, without being sent.
const TABLE: usize = 4096;

/// See the module. Follows the frames through reads that cut them anywhere.
#[derive(Debug)]
pub struct Frames {
    /// Bytes to come that belong to a frame that was looked at.
    left: u32,
    /// The beginning of a frame's head, held back until the rest is there.
    head: [u8; HEAD],
    held: usize,
    empty: u32,
    empty_since: Instant,
    unread: Unread,
    /// The fields that are coming, if they end their stream: the stream, and how long they are so far.
    last_fields: Option<(u32, usize)>,
    /// Streams whose last fields were longer, as they were sent, than `long_from`.
    long: VecDeque<u32>,
    long_from: usize,
}

/// What the DATA frames of a while would cost if nobody read them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unread {
    /// Beyond their bytes.
    pub keeping: u32,
    pub bytes: u32,
}

// === impl Unread ===

impl Unread {
    /// Whether what nobody reads should be looked after.
    pub fn is_much(self) -> bool {
        self.keeping >= MUCH_KEEPING || self.bytes >= MUCH_BYTES
    }
}

// === impl Frames ===

impl Frames {
    /// What a server sends, of whose fields h2 takes so many bytes, and whose trailers may have so many.
    pub fn of_server(fields: usize, trailers: usize) -> Self {
        Self {
            left: 0,
            head: [0; HEAD],
            held: 0,
            empty: 0,
            empty_since: Instant::now(),
            unread: Unread::default(),
            last_fields: None,
            long: VecDeque::new(),
            long_from: long_from(fields, trailers),
        }
    }

    /// What a client sends.
    pub fn of_client(fields: usize, trailers: usize) -> Self {
        Self { left: PREFACE, ..Self::of_server(fields, trailers) }
    }

    /// Whether the last fields of a stream were so long that h2 may have left some out. Asked once: it is forgotten.
    pub fn take_long(&mut self, stream: u32) -> bool {
        let found = self.long.iter().position(|long| *long == stream);
        found.is_some_and(|at| self.long.remove(at).is_some())
    }

    /// The cost of what has come since this was asked last.
    pub fn unread(&self) -> Unread {
        self.unread
    }

    /// Counts from here.
    pub fn forget_unread(&mut self) {
        self.unread = Unread::default();
    }

    /// How many bytes of a head are missing that began in an earlier read; zero: none has.
    pub fn missing(&self) -> usize {
        if self.held == 0 { 0 } else { HEAD - self.held }
    }

    /// Takes more of the head that began in an earlier read: at most [`Self::missing`] bytes. Returns it once it is whole, and
    /// its frame is not left out.
    pub fn complete(&mut self, more: &[u8], now: Instant) -> Option<[u8; HEAD]> {
        self.hold(more);
        if self.held < HEAD {
            return None;
        }
        self.held = 0;
        let head = self.head;
        self.is_passed(head, now).then(|| {
            self.left -= HEAD as u32;
            head
        })
    }

    /// What of a head the stream ended in.
    pub fn take_held(&mut self) -> ([u8; HEAD], usize) {
        (self.head, std::mem::take(&mut self.held))
    }

    /// Looks at what was read, when no head is [`missing`](Self::missing) bytes. Moves what is passed on to the front of it, and
    /// returns how much that is.
    pub fn pass(&mut self, read: &mut [u8], now: Instant) -> usize {
        let (mut at, mut passed) = (0, 0);
        while at < read.len() {
            if self.left > 0 {
                let part = (self.left as usize).min(read.len() - at);
                if passed < at {
                    read.copy_within(at..at + part, passed);
                }
                self.left -= part as u32;
                at += part;
                passed += part;
                continue;
            }
            match read[at..].first_chunk::<HEAD>() {
                None => {
                    self.hold(&read[at..]);
                    break;
                }
                Some(head) if self.is_passed(*head, now) => {}
                Some(_) => at += HEAD,
            }
        }
        passed
    }

    fn hold(&mut self, bytes: &[u8]) {
        self.head[self.held..self.held + bytes.len()].copy_from_slice(bytes);
        self.held += bytes.len();
    }

    /// Takes a head in, unless its frame is to be left out.
    fn is_passed(&mut self, head: [u8; HEAD], now: Instant) -> bool {
        let [high, middle, low, kind, flags, ..] = head;
        let length = u32::from_be_bytes([0, high, middle, low]);
        if kind == DATA {
            if length == 0 && flags & END_STREAM == 0 && self.may_leave_out(now) {
                return false;
            }
            self.unread.keeping = self.unread.keeping.saturating_add(KEEPING.saturating_sub(length));
            self.unread.bytes = self.unread.bytes.saturating_add(length);
        } else if kind == HEADERS || kind == CONTINUATION {
            self.note_fields(&head, length as usize);
        }
        self.left = HEAD as u32 + length;
        true
    }

    fn note_fields(&mut self, head: &[u8; HEAD], length: usize) {
        let [_, _, _, kind, flags, stream @ ..] = *head;
        let stream = u32::from_be_bytes(stream);
        let before = self.last_fields.take().filter(|_| kind == CONTINUATION).map(|(_, before)| before);
        // What continues fields that end nothing ends nothing.
        if before.is_none() && (kind == CONTINUATION || flags & END_STREAM == 0) {
            return;
        }
        let before = before.unwrap_or_default();
        let so_far = before + length;
        if before <= self.long_from && so_far > self.long_from {
            self.long.truncate(LONG_MOST - 1);
            self.long.push_front(stream);
        }
        self.last_fields = Some((stream, so_far));
    }

    fn may_leave_out(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.empty_since) >= EMPTY_PERIOD {
            self.empty_since = now;
            self.empty = 0;
        }
        self.empty = self.empty.saturating_add(1);
        self.empty <= EMPTY_MOST
    }
}

/// How long fields are at least, as they are sent, of which h2 leaves some out while the rest is within `trailers`: the first that is left
/// out is longer than what lies between that and `fields`. Its name may come from the table, the rest is sent, and the shortest
/// code of a byte has five bits.
fn long_from(fields: usize, trailers: usize) -> usize {
    let long_from = fields.saturating_sub(trailers + TABLE) * 5 / 8;
    debug_assert!(long_from > trailers, "trailers of {trailers} bytes would be long, sent as they are");
    long_from
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_util::frame;

    fn of_server() -> Frames {
        Frames::of_server(64 * 1024, 16 * 1024)
    }

    /// What comes out when `sent` is read in parts of this length, and the cost of it.
    fn read_by(sent: &[u8], part: usize) -> (Vec<u8>, Unread) {
        let mut frames = of_server();
        let (now, mut out) = (Instant::now(), Vec::new());
        for read in sent.chunks(part) {
            let missing = frames.missing().min(read.len());
            let (more, rest) = read.split_at(missing);
            if missing > 0 {
                out.extend(frames.complete(more, now).into_iter().flatten());
            }
            let mut rest = rest.to_vec();
            let passed = frames.pass(&mut rest, now);
            out.extend(&rest[..passed]);
        }
        (out, frames.unread())
    }

    #[test]
    fn only_empty_frames_that_end_nothing_are_left_out_wherever_reads_are_cut() {
        let empty = frame(DATA, 0, 1, b"");
        let kept = [
            frame(HEADERS, 4, 1, &[0x88]),
            frame(DATA, 0, 1, &[7; 300]),
            frame(DATA, 0, 3, b"x"),
            frame(DATA, END_STREAM, 3, b""),
            frame(DATA, END_STREAM, 1, b"end"),
        ];
        let sent: Vec<u8> =
            kept.iter().flat_map(|frame| [empty.clone(), frame.clone(), empty.clone()].concat()).collect();
        for part in 1..=sent.len() {
            let (out, unread) = read_by(&sent, part);
            assert_eq!(out, kept.concat(), "in parts of {part}");
            assert_eq!((unread.keeping, unread.bytes), (255 + 256 + 253, 304), "in parts of {part}");
        }
    }

    #[test]
    fn the_words_a_client_begins_with_are_no_frames() {
        let mut said = *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        assert_eq!(Frames::of_client(64 * 1024, 16 * 1024).pass(&mut said, Instant::now()), said.len());
    }

    #[test]
    fn a_flood_of_empty_frames_is_left_to_h2_and_the_count_ends_with_time() {
        let mut frames = of_server();
        let begin = Instant::now();
        let passes = |frames: &mut Frames, count: usize, now| {
            let mut read = frame(DATA, 0, 1, b"").repeat(count);
            frames.pass(&mut read, now) / HEAD
        };
        assert_eq!(passes(&mut frames, 1000, begin), 0);
        assert_eq!(passes(&mut frames, 5, begin), 5);
        for second in 1..100 {
            assert_eq!(passes(&mut frames, 1000, begin + second * EMPTY_PERIOD), 0);
        }
    }

    #[test]
    fn only_last_fields_that_are_long_are_noted_whatever_frames_they_come_in() {
        let long = vec![0; 16 * 1024];
        let continued = |flags, stream, count| {
            let more = frame(CONTINUATION, 0, stream, &long).repeat(count);
            [frame(HEADERS, flags, stream, &long), more].concat()
        };
        let sent = [
            continued(0, 1, 3),
            continued(END_STREAM, 3, 0),
            continued(END_STREAM, 5, 1),
            continued(END_STREAM, 7, 9),
            frame(HEADERS, END_STREAM, 9, &[0; 10]),
        ];
        for part in [1, 7, 16 * 1024, 1024 * 1024] {
            let mut frames = of_server();
            for read in sent.concat().chunks(part) {
                let (more, rest) = read.split_at(frames.missing().min(read.len()));
                if !more.is_empty() {
                    frames.complete(more, Instant::now());
                }
                frames.pass(&mut rest.to_vec(), Instant::now());
            }
            let long = [1, 3, 5, 7, 9].map(|stream| frames.take_long(stream));
            assert_eq!(long, [false, false, true, true, false], "in parts of {part}");
            assert!(!frames.take_long(5), "it is forgotten once it was asked for");
        }
    }

    #[test]
    fn what_is_noted_is_bounded() {
        let mut frames = of_server();
        for stream in 0..2 * LONG_MOST as u32 {
            let head = frame(HEADERS, END_STREAM, stream, &[]);
            frames.note_fields(head[..].try_into().unwrap(), 40 * 1024);
        }
        assert_eq!(frames.long.len(), LONG_MOST);
        assert!(frames.take_long(2 * LONG_MOST as u32 - 1), "the newest are kept");
    }
}
