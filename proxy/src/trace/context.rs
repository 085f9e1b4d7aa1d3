//! To which trace a request belongs, as its headers say: W3C's Trace Context, and B3 in one header or in several.
//!
//! Where both say something, W3C's holds. What a request came with is written again in the forms it came in, beside W3C's, so that all of
//! them name the same span. What is malformed says nothing.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::digits::hex;

pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const B3: HeaderName = HeaderName::from_static("b3");
const B3_TRACE: HeaderName = HeaderName::from_static("x-b3-traceid");
const B3_SPAN: HeaderName = HeaderName::from_static("x-b3-spanid");
const B3_PARENT: HeaderName = HeaderName::from_static("x-b3-parentspanid");
const B3_SAMPLED: HeaderName = HeaderName::from_static("x-b3-sampled");
const B3_FLAGS: HeaderName = HeaderName::from_static("x-b3-flags");

/// All headers by which a request names its trace.
pub const NAMES: [HeaderName; 8] =
    [TRACEPARENT, TRACESTATE, B3, B3_TRACE, B3_SPAN, B3_PARENT, B3_SAMPLED, B3_FLAGS];

/// Of a `traceparent` of the version that is known.
const LENGTH: usize = 55;
const SAMPLED: u8 = 1;
const RANDOM: u8 = 2;

/// A span, as those that come after it are told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    pub trace_id: u128,
    pub span_id: u64,
    pub sampled: bool,
    /// The id of the trace is known to be random.
    random: bool,
    forms: Forms,
}

/// How a request speaks of its trace, beside W3C's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forms {
    single: bool,
    multiple: bool,
    /// B3 wants it told whatever is sampled.
    debug: bool,
}

/// What the headers of a request say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    pub parent: Option<Context>,
    /// Whether it is told; `None`: nobody has decided.
    pub sampled: Option<bool>,
    pub forms: Forms,
    /// It is W3C's header that says so.
    pub by_w3c: bool,
    /// There is a `tracestate`.
    pub has_state: bool,
}

/// What B3 says.
#[derive(Debug, Clone, Copy)]
struct ByB3 {
    ids: Option<Ids>,
    state: Option<State>,
}

/// What B3 says of sampling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unsampled,
    Sampled,
    Debug,
}

/// A header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Value<'a> {
    #[default]
    Absent,
    Once(&'a [u8]),
    /// Says nothing: nobody knows which of them holds.
    Often,
}

/// The headers that name a trace, gathered in one pass: asking a map for each of them by its name costs a request more than all the rest.
#[derive(Debug, Default)]
struct Found<'a> {
    traceparent: Value<'a>,
    b3: Value<'a>,
    trace: Value<'a>,
    span: Value<'a>,
    sampled: Value<'a>,
    flags: Value<'a>,
    has_state: bool,
}

// === impl Value ===

impl<'a> Value<'a> {
    fn add(&mut self, value: &'a HeaderValue) {
        *self = if *self == Value::Absent { Value::Once(value.as_bytes()) } else { Value::Often };
    }

    fn once(self) -> Option<&'a [u8]> {
        match self {
            Value::Once(value) => Some(value),
            Value::Absent | Value::Often => None,
        }
    }
}

// === impl Found ===

impl<'a> Found<'a> {
    fn among(headers: &'a HeaderMap) -> Self {
        let mut found = Self::default();
        for (name, value) in headers {
            match name.as_str() {
                "traceparent" => found.traceparent.add(value),
                "tracestate" => found.has_state = true,
                "b3" => found.b3.add(value),
                "x-b3-traceid" => found.trace.add(value),
                "x-b3-spanid" => found.span.add(value),
                "x-b3-sampled" => found.sampled.add(value),
                "x-b3-flags" => found.flags.add(value),
                _ => {}
            }
        }
        found
    }

    /// B3 in several headers. A parent alone is none.
    fn is_several(&self) -> bool {
        [self.trace, self.span, self.sampled, self.flags].iter().any(|value| *value != Value::Absent)
    }

    fn by_b3(&self) -> Option<ByB3> {
        self.b3.once().and_then(of_b3).or_else(|| self.of_several())
    }

    fn of_several(&self) -> Option<ByB3> {
        let state = if self.flags.once() == Some(b"1") {
            Some(State::Debug)
        } else {
            // Old senders use words.
            self.sampled.once().and_then(|text| match text {
                b"1" | b"true" => Some(State::Sampled),
                b"0" | b"false" => Some(State::Unsampled),
                _ => None,
            })
        };
        let ids = self.trace.once().zip(self.span.once());
        let ids = ids.and_then(|(trace, span)| b3_ids(trace, span));
        (ids.is_some() || state.is_some()).then_some(ByB3 { ids, state })
    }
}

// === impl State ===

impl State {
    fn read(text: &[u8]) -> Option<Self> {
        match text {
            b"d" => Some(Self::Debug),
            b"1" => Some(Self::Sampled),
            b"0" => Some(Self::Unsampled),
            _ => None,
        }
    }
}

// === impl Said ===

impl Said {
    pub fn read(headers: &HeaderMap) -> Self {
        let found = Found::among(headers);
        let mut forms =
            Forms { single: found.b3 != Value::Absent, multiple: found.is_several(), debug: false };
        let by_w3c = found.traceparent.once().and_then(of_traceparent);
        let (ids, sampled) = match by_w3c {
            Some((ids, flags)) => (Some((ids, flags & RANDOM != 0)), Some(flags & SAMPLED != 0)),
            None => match found.by_b3() {
                Some(ByB3 { ids, state }) => {
                    forms.debug = state == Some(State::Debug);
                    (ids.map(|ids| (ids, false)), state.map(|state| state != State::Unsampled))
                }
                None => (None, None),
            },
        };
        let parent = ids.map(|((trace_id, span_id), random)| Context {
            trace_id,
            span_id,
            sampled: sampled.unwrap_or_default(),
            random,
            forms,
        });
        Self { parent, sampled, forms, by_w3c: by_w3c.is_some(), has_state: found.has_state }
    }

    /// Whether W3C's is the only form, and is there: what is not told need not be written again.
    pub fn is_plain(self) -> bool {
        self.by_w3c && self.forms == Forms::default()
    }
}

// === impl Context ===

impl Context {
    /// The first span of a trace.
    pub fn root(trace_id: u128, span_id: u64, forms: Forms) -> Self {
        Self { trace_id, span_id, sampled: false, random: true, forms }
    }

    /// Another span of the same trace.
    pub fn at(self, span_id: u64) -> Self {
        Self { span_id, ..self }
    }

    /// The flags of `traceparent`.
    pub fn flags(self) -> u8 {
        let bit = |is_set, bit| if is_set { bit } else { 0 };
        bit(self.sampled, SAMPLED) | bit(self.random, RANDOM)
    }

    /// Makes `headers` name this span.
    pub fn write(self, headers: &mut HeaderMap) {
        let Self { trace_id, span_id, sampled, forms, .. } = self;
        let mut parent = Vec::with_capacity(LENGTH);
        parent.extend_from_slice(b"00-");
        hex(&trace_id.to_be_bytes(), &mut parent);
        parent.push(b'-');
        hex(&span_id.to_be_bytes(), &mut parent);
        parent.push(b'-');
        hex(&[self.flags()], &mut parent);
        set(headers, TRACEPARENT, parent);
        if !forms.single && !forms.multiple {
            return;
        }
        // Who knows only short ids has given one.
        let trace_id = match u64::try_from(trace_id) {
            Ok(short) => format!("{short:016x}"),
            Err(_) => format!("{trace_id:032x}"),
        };
        let state = if forms.debug && sampled {
            "d"
        } else if sampled {
            "1"
        } else {
            "0"
        };
        if forms.single {
            set(headers, B3, format!("{trace_id}-{span_id:016x}-{state}"));
        }
        if forms.multiple {
            set(headers, B3_TRACE, trace_id);
            set(headers, B3_SPAN, format!("{span_id:016x}"));
            headers.remove(B3_PARENT);
            headers.remove(B3_SAMPLED);
            headers.remove(B3_FLAGS);
            match state {
                "d" => set(headers, B3_FLAGS, "1"),
                state => set(headers, B3_SAMPLED, state),
            }
        }
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: impl Into<Bytes>) {
    if let Ok(mut value) = HeaderValue::from_maybe_shared(value.into()) {
        // No two requests have the same: in the table of HTTP/2 it would push out what comes again.
        value.set_sensitive(true);
        headers.insert(name, value);
    }
}

/// The trace that a request with `headers` belongs to.
pub fn trace_id(headers: &HeaderMap) -> Option<u128> {
    Said::read(headers).parent.map(|parent| parent.trace_id)
}

type Ids = (u128, u64);

/// `00-<trace>-<span>-<flags>`. Of versions that are not known yet, what they have in common with the first.
fn of_traceparent(text: &[u8]) -> Option<(Ids, u8)> {
    let (known, rest) = text.split_first_chunk::<LENGTH>()?;
    let are_dashes = known[2] == b'-' && known[35] == b'-' && known[52] == b'-';
    if !are_dashes || known.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    let small = |text: &[u8]| number(text).and_then(|number| u8::try_from(number).ok());
    let (version, flags) = (small(&known[..2])?, small(&known[53..])?);
    let ids = (number(&known[3..35])?, u64::try_from(number(&known[36..52])?).ok()?);
    let whole = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => rest.is_empty() || rest.starts_with(b"-"),
    };
    whole.then_some(())?;
    named(ids).map(|ids| (ids, flags))
}

/// `<trace>-<span>[-<state>[-<parent>]]`, or a state alone.
fn of_b3(text: &[u8]) -> Option<ByB3> {
    let mut fields = text.split(|byte| *byte == b'-');
    let first = fields.next()?;
    let Some(span) = fields.next() else {
        return Some(ByB3 { ids: None, state: Some(State::read(first)?) });
    };
    let ids = Some(b3_ids(first, span)?);
    let state = match fields.next() {
        Some(text) => Some(State::read(text)?),
        None => None,
    };
    let parent_is_one = fields.next().is_none_or(|parent| parent.len() == 16 && number(parent).is_some());
    (parent_is_one && fields.next().is_none()).then_some(ByB3 { ids, state })
}

fn b3_ids(trace: &[u8], span: &[u8]) -> Option<Ids> {
    if !matches!(trace.len(), 16 | 32) || span.len() != 16 {
        return None;
    }
    named((number(trace)?, u64::try_from(number(span)?).ok()?))
}

/// Ids of zeros name nothing.
fn named(ids: Ids) -> Option<Ids> {
    (ids.0 != 0 && ids.1 != 0).then_some(ids)
}

/// At most 32 digits, in either case.
fn number(text: &[u8]) -> Option<u128> {
    let (high, low) = text.split_at(text.len().saturating_sub(16));
    Some(u128::from(number_64(high)?) << 64 | u128::from(number_64(low)?))
}

/// At most 16 digits.
fn number_64(text: &[u8]) -> Option<u64> {
    let (number, seen) = text.iter().fold((0, 0), |(number, seen), byte| {
        let value = VALUES[usize::from(*byte)];
        (number << 4 | u64::from(value), seen | value)
    });
    (seen != NO_DIGIT).then_some(number)
}

/// Of a byte that is no digit; all bits, so that it shows in whatever it is mixed with.
const NO_DIGIT: u8 = u8::MAX;

/// What each byte is worth as a digit.
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        let digit = b"0123456789abcdef"[value as usize];
        values[digit as usize] = value;
        values[digit.to_ascii_uppercase() as usize] = value;
        value += 1;
    }
    values
};
