//! The same in server-sent events (WHATWG HTML 9.2.6): the data of each is a text of its own.

use super::field::{FieldPath, FieldReader};

const DATA: &[u8] = b"data:";

/// Looks for a member in the data of events. The last one that has it counts.
#[derive(Debug)]
pub struct EventReader {
    data: FieldReader,
    line: Line,
    /// The line before ended with a carriage return, of which a line feed is a part.
    returned: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// So many bytes of the field's name have come.
    Begun(usize),
    /// A space may come first.
    Data {
        first: bool,
    },
    Other,
}

// === impl EventReader ===

impl EventReader {
    pub fn new(path: FieldPath) -> Self {
        Self { data: FieldReader::new(path), line: Line::Begun(0), returned: false }
    }

    /// The number that was found last.
    pub fn found(&self) -> Option<u32> {
        self.data.found()
    }

    /// Reads on.
    pub fn read(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().copied() {
            let rest_of_end = byte == b'\n' && self.returned;
            self.returned = byte == b'\r';
            if !rest_of_end {
                self.line = self.next(byte);
            }
        }
    }

    fn next(&mut self, byte: u8) -> Line {
        if matches!(byte, b'\r' | b'\n') {
            match self.line {
                // An empty line ends the event.
                Line::Begun(0) => self.data.begin(),
                // The data of an event may stand on several lines.
                Line::Data { .. } => self.data.read(b"\n"),
                Line::Begun(_) | Line::Other => {}
            }
            return Line::Begun(0);
        }
        match self.line {
            Line::Begun(bytes) if DATA.get(bytes) == Some(&byte) => match bytes + 1 {
                all if all == DATA.len() => Line::Data { first: true },
                more => Line::Begun(more),
            },
            Line::Begun(_) | Line::Other => Line::Other,
            Line::Data { first } => {
                if !(first && byte == b' ') {
                    self.data.read(&[byte]);
                }
                Line::Data { first: false }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_event_that_has_the_member_counts_however_the_stream_is_cut() {
        for (text, found) in [
            ("data: {\"n\":1}\n\ndata: {\"n\":2}\n\ndata: [DONE]\n\n", Some(2)),
            ("data:{\"n\":1}\r\n\r\ndata:{\"n\":2}\r\n\r\n", Some(2)),
            ("data: {\"n\":1}\r\rdata: {\"m\":2}\r\r", Some(1)),
            ("data: {\"n\"\ndata: :3}\n\n", Some(3)),
            ("data: {\"n\"\r\ndata: :3}\r\n\r\n", Some(3)),
            ("event: {\"n\":1}\nid: 7\n: {\"n\":2}\n\n", None),
            ("data: garbage\n\ndata: {\"n\":5}\n\n", Some(5)),
            ("data: {\"n\":5", None),
            ("datas: {\"n\":5}\n\n", None),
            ("data\n\ndata: {\"n\":6}\n\n", Some(6)),
            ("", None),
        ] {
            for cut in 0..=text.len() {
                let mut reader = EventReader::new(["n".into()].into());
                let (first, rest) = text.as_bytes().split_at(cut);
                reader.read(first);
                reader.read(rest);
                assert_eq!(reader.found(), found, "{text:?} cut at {cut}");
            }
        }
    }
}
