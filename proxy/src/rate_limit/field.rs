//! A whole number in a JSON body, read as the body passes: nothing of it is kept, and nothing waits for it.

use std::sync::Arc;

use super::bill::LARGEST_COST;

/// How deep containers may nest. Of what is deeper nothing more is read.
const DEPTH: u32 = 64;

/// Names of members, from the outermost on; at least one.
pub type FieldPath = Arc<[Box<str>]>;

/// Looks for a member in one JSON text after the other. The last one that has it counts.
#[derive(Debug)]
pub struct FieldReader {
    path: FieldPath,
    state: State,
    /// Containers that are open, and which of them are objects: one bit each, the outermost first.
    depth: u32,
    objects: u64,
    /// So many of them, from the outermost on, are objects on the path.
    on_path: u32,
    /// The member at hand is the next on the path.
    wanted: bool,
    found: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A value comes.
    Value,
    /// The name of a member comes.
    Name,
    /// So many bytes of a name have come, and all were those of the path's.
    InName {
        bytes: usize,
        same: bool,
        escaped: bool,
    },
    Colon,
    InText {
        escaped: bool,
    },
    /// Of a number that is wanted; `None`: it is not a whole one.
    InNumber(Option<u32>),
    /// Some other value.
    InWord,
    After,
    /// It is not JSON, or too deep.
    Lost,
}

// === impl FieldReader ===

impl FieldReader {
    pub fn new(path: FieldPath) -> Self {
        let state = State::Value;
        Self { path, state, depth: 0, objects: 0, on_path: 0, wanted: false, found: None }
    }

    /// The number that was found last.
    pub fn found(&self) -> Option<u32> {
        self.found
    }

    /// Begins with another text.
    pub fn begin(&mut self) {
        (self.state, self.depth, self.on_path, self.wanted) = (State::Value, 0, 0, false);
    }

    /// Reads on.
    pub fn read(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().copied() {
            self.state = self.next(byte);
        }
    }

    fn next(&mut self, byte: u8) -> State {
        match self.state {
            State::Lost => State::Lost,
            State::InText { escaped: true } => State::InText { escaped: false },
            State::InText { .. } => match byte {
                b'"' => State::After,
                b'\\' => State::InText { escaped: true },
                _ => State::InText { escaped: false },
            },
            State::InName { bytes, same, escaped } => self.in_name(byte, bytes, same, escaped),
            State::InNumber(number) => match byte {
                b'0'..=b'9' => State::InNumber(number.map(|number| {
                    let longer = number.saturating_mul(10).saturating_add(u32::from(byte - b'0'));
                    longer.min(LARGEST_COST)
                })),
                b'+' | b'-' | b'.' | b'e' | b'E' => State::InNumber(None),
                _ => {
                    self.found = number.or(self.found);
                    self.after(byte)
                }
            },
            State::InWord => match byte {
                b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n' => self.after(byte),
                _ => State::InWord,
            },
            state if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') => state,
            State::Value => self.value(byte),
            State::Name => match byte {
                b'"' => State::InName { bytes: 0, same: true, escaped: false },
                b'}' => self.close(true),
                _ => State::Lost,
            },
            State::Colon if byte == b':' => State::Value,
            State::Colon => State::Lost,
            State::After => self.after(byte),
        }
    }

    fn in_name(&mut self, byte: u8, bytes: usize, same: bool, escaped: bool) -> State {
        match byte {
            // A name that is written with escapes is not looked for.
            _ if escaped => State::InName { bytes, same: false, escaped: false },
            b'\\' => State::InName { bytes, same: false, escaped: true },
            b'"' => {
                let next = self.next_name();
                let whole = next.is_some_and(|name| name.len() == bytes);
                self.wanted = same && whole;
                State::Colon
            }
            _ => {
                let same = same && self.next_name().and_then(|name| name.get(bytes)) == Some(&byte);
                State::InName { bytes: bytes.saturating_add(1), same, escaped: false }
            }
        }
    }

    /// The name on the path that a member of the innermost container may have.
    fn next_name(&self) -> Option<&[u8]> {
        let place = self.depth.checked_sub(1).filter(|_| self.depth == self.on_path)?;
        self.path.get(place as usize).map(|name| name.as_bytes())
    }

    fn value(&mut self, byte: u8) -> State {
        let wanted = std::mem::take(&mut self.wanted);
        match byte {
            b'{' | b'[' if self.depth == DEPTH => State::Lost,
            b'{' => {
                if self.depth == 0 || wanted {
                    self.on_path = self.depth + 1;
                }
                self.objects |= 1 << self.depth;
                self.depth += 1;
                State::Name
            }
            b'[' => {
                self.objects &= !(1 << self.depth);
                self.depth += 1;
                State::Value
            }
            b']' => self.close(false),
            b'"' => State::InText { escaped: false },
            b'0'..=b'9' if wanted && self.depth as usize == self.path.len() => {
                State::InNumber(Some(u32::from(byte - b'0')))
            }
            b'-' | b'0'..=b'9' | b'a'..=b'z' => State::InWord,
            _ => State::Lost,
        }
    }

    /// Behind a value.
    fn after(&mut self, byte: u8) -> State {
        let in_object = self.depth > 0 && self.objects >> (self.depth - 1) & 1 == 1;
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => State::After,
            b',' if in_object => State::Name,
            b',' if self.depth > 0 => State::Value,
            b'}' => self.close(true),
            b']' => self.close(false),
            // Another text behind the first, as in a file of lines.
            _ if self.depth == 0 => self.value(byte),
            _ => State::Lost,
        }
    }

    fn close(&mut self, object: bool) -> State {
        let Some(depth) = self.depth.checked_sub(1) else { return State::Lost };
        if (self.objects >> depth & 1 == 1) != object {
            return State::Lost;
        }
        (self.depth, self.on_path) = (depth, self.on_path.min(depth));
        State::After
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(path: &[&str]) -> FieldReader {
        FieldReader::new(path.iter().map(|name| (*name).into()).collect())
    }

    #[test]
    fn a_member_is_found_where_it_is_and_nowhere_else_however_the_body_is_cut() {
        for (text, path, found) in [
            (r#"{"usage":{"total_tokens":17}}"#, &["usage", "total_tokens"][..], Some(17)),
            (r#" { "a" : [1, {"n": 5}], "n" : 7 , "z":null}"#, &["n"], Some(7)),
            (r#"{"n":7.5}"#, &["n"], None),
            (r#"{"n":-7}"#, &["n"], None),
            (r#"{"n":7e2}"#, &["n"], None),
            (r#"{"n":"7"}"#, &["n"], None),
            (r#"{"n":true}"#, &["n"], None),
            (r#"{"n":{"n":7}}"#, &["n"], None),
            (r#"{"n":[7]}"#, &["n"], None),
            (r#"[{"n":7}]"#, &["n"], None),
            (r#"{"a":{"n":7},"b":{"n":8}}"#, &["b", "n"], Some(8)),
            (r#"{"a":{"b":{"n":7}},"b":{"c":1}}"#, &["b", "n"], None),
            (r#"{"b":{"x":{"n":3}},"n":4}"#, &["b", "n"], None),
            (r#"{"b":{"x":{},"n":5},"n":4}"#, &["b", "n"], Some(5)),
            (r#"{"b":[{"n":6}]}"#, &["b", "n"], None),
            (r#"{"text":"\"n\":9,{}[]\\","n":2}"#, &["n"], Some(2)),
            (r#"{"nn":9,"":8,"n\u0020":3,"N":1}"#, &["n"], None),
            (r#"{"\u006e":9}"#, &["n"], None),
            (r#"{"n":1,"n":2}"#, &["n"], Some(2)),
            (r#"{"n":99999999999}"#, &["n"], Some(LARGEST_COST)),
            (r#"{"n":0}"#, &["n"], Some(0)),
            ("{\"n\":1}\n{\"n\":2}\n{\"m\":3}\n", &["n"], Some(2)),
            ("{\"t\u{fc}\":4}", &["t\u{fc}"], Some(4)),
            (r#"{"n" 7}"#, &["n"], None),
            (r#"{"a":]},"n":7}"#, &["n"], None),
            (r#"}{"n":7}"#, &["n"], None),
            ("", &["n"], None),
            ("\u{0}\u{ff}garbage", &["n"], None),
        ] {
            for cut in 0..=text.len() {
                let mut reader = reader(path);
                let (first, rest) = text.as_bytes().split_at(cut);
                reader.read(first);
                reader.read(rest);
                assert_eq!(reader.found(), found, "{text} cut at {cut}");
            }
        }
    }

    #[test]
    fn what_is_too_deep_is_lost_and_harms_nothing() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        for (levels, found) in [(62, Some(3)), (63, Some(3)), (64, None), (100_000, None)] {
            let mut reader = reader(&["n"]);
            reader.read(format!(r#"{{"a":{},"n":3}}"#, deep(levels)).as_bytes());
            assert_eq!(reader.found(), found, "{levels}");
        }
    }

    #[test]
    fn it_agrees_with_a_parser_of_the_whole_on_texts_made_at_random() {
        fastrand::seed(7);
        for _ in 0..5_000 {
            let value = a_value(4);
            let text = if fastrand::bool() { value.to_string() } else { format!("{value:#}") };
            let mut reader = reader(&["a", "n"]);
            reader.read(text.as_bytes());
            let whole = value.get("a").and_then(|a| a.get("n")).and_then(serde_json::Value::as_u64);
            assert_eq!(reader.found().map(u64::from), whole, "{text}");
        }
    }

    fn a_value(depth: u32) -> serde_json::Value {
        use serde_json::{Value, json};

        match fastrand::u8(if depth == 0 { 3 } else { 0 }..8) {
            0 | 1 => {
                let names = ["a", "n", "b", "a\"n", "\\"];
                let members = (0..fastrand::usize(..4))
                    .map(|_| (names[fastrand::usize(..names.len())].to_owned(), a_value(depth - 1)));
                Value::Object(members.collect())
            }
            2 => Value::Array((0..fastrand::usize(..3)).map(|_| a_value(depth - 1)).collect()),
            3 => json!(fastrand::u16(..)),
            4 => json!(["n", "{\"a\":{\"n\":1}}", "\\\"", ""][fastrand::usize(..4)]),
            5 => json!(fastrand::bool()),
            6 => json!(-i32::from(fastrand::u8(1..))),
            _ => Value::Null,
        }
    }
}
