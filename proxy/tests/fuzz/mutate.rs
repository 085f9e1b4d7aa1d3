//! Inputs made from others by small changes, as long as time allows.

use std::time::{Duration, Instant};

use fastrand::Rng;

/// Bytes that parsers of protocols look for.
const TOKENS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b"\r\n\r\n",
    b"0\r\n\r\n",
    b"content-length: 5\r\n",
    b"transfer-encoding: chunked\r\n",
    b"host: b\r\n",
    b"connection: upgrade\r\n",
    b"expect: 100-continue\r\n",
    b"upgrade: websocket\r\n",
    b"HTTP/1.0",
    b"http://b/",
    b"ffffffffffffffff",
    b"-1",
    b"\xff\xff\xff\xff",
    b"\0\0\0\x01",
    b"\x80",
];
const LONGEST: usize = 16 * 1024;

#[allow(clippy::disallowed_methods, reason = "a setting of the test, not of the proxy")]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

/// A target with its corpus.
pub struct Fuzz<'a> {
    name: &'a str,
    corpus: Vec<Vec<u8>>,
    rng: Rng,
}

// === impl Fuzz ===

impl<'a> Fuzz<'a> {
    pub fn new(name: &'a str, corpus: &[&[u8]]) -> Self {
        let seed = setting("WEFT_FUZZ_SEED").unwrap_or_else(|| fastrand::u64(..));
        println!("{name}: WEFT_FUZZ_SEED={seed}");
        Self { name, corpus: corpus.iter().map(|bytes| bytes.to_vec()).collect(), rng: Rng::with_seed(seed) }
    }

    /// How long a target runs.
    pub fn time() -> Duration {
        Duration::from_secs(setting("WEFT_FUZZ_SECONDS").unwrap_or(10))
    }

    /// Judges inputs until time is up; the first that is judged wrong fails the test with its bytes.
    pub fn run(mut self, judge: impl Fn(&[u8]) -> Result<(), String>) {
        let until = Instant::now() + Self::time();
        let mut inputs = 0u64;
        while Instant::now() < until {
            for _ in 0..64 {
                let input = self.next();
                if let Err(why) = judge(&input) {
                    panic!("{}: {why}: {}", self.name, input.escape_ascii());
                }
                inputs += 1;
            }
        }
        println!("{}: {inputs} inputs, 0 finds", self.name);
    }

    /// One more input.
    pub fn next(&mut self) -> Vec<u8> {
        let index = self.rng.usize(..self.corpus.len());
        let mut input = self.corpus[index].clone();
        for _ in 0..=self.rng.usize(..6) {
            self.mutate(&mut input);
        }
        input.truncate(LONGEST);
        // What was made may be a beginning for others, so that changes add up.
        if self.rng.usize(..50) == 0 {
            let at = if self.corpus.len() < 200 { self.corpus.len() } else { self.rng.usize(20..200) };
            if at == self.corpus.len() {
                self.corpus.push(input.clone())
            } else {
                self.corpus[at] = input.clone()
            }
        }
        input
    }

    fn mutate(&mut self, input: &mut Vec<u8>) {
        let rng = &mut self.rng;
        let at = rng.usize(..=input.len());
        let some = (at + rng.usize(1..32)).min(input.len());
        match rng.u8(..8) {
            0 if at < input.len() => input[at] ^= 1 << rng.u8(..8),
            1 if at < input.len() => input[at] = rng.u8(..),
            2 => drop(input.drain(at..some)),
            3 => {
                let again = input[at..some].to_vec();
                input.splice(at..at, again);
            }
            4 | 5 => {
                let token = TOKENS[rng.usize(..TOKENS.len())];
                input.splice(at..at, token.iter().copied());
            }
            6 => {
                let other = &self.corpus[rng.usize(..self.corpus.len())];
                let from = rng.usize(..=other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            _ => input.insert(at, rng.u8(..)),
        }
    }
}
