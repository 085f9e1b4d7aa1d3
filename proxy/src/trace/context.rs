//! To which trace a request belongs, as its headers say: W3C's Trace Context, and B3 in one header or in several.
//!
//! Where both say something, W3C's holds. What a request came with is written again in the forms it came in, beside W3C's, so that all of
//! them name the same span. What is malformed says nothing.

use http::{HeaderMap, HeaderName, HeaderValue};

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
        let single = headers.contains_key(B3);
        let several = [B3_TRACE, B3_SPAN, B3_SAMPLED, B3_FLAGS];
        let mut forms =
            Forms { single, multiple: several.iter().any(|name| headers.contains_key(name)), debug: false };
        let by_b3 = one(headers, &B3).and_then(of_b3).or_else(|| of_several(headers));
        let by_w3c = one(headers, &TRACEPARENT).and_then(of_traceparent);
        let (ids, sampled) = match (by_w3c, by_b3) {
            (Some((ids, flags)), _) => (Some((ids, flags & RANDOM != 0)), Some(flags & SAMPLED != 0)),
            (None, Some(ByB3 { ids, state })) => {
                forms.debug = state == Some(State::Debug);
                (ids.map(|ids| (ids, false)), state.map(|state| state != State::Unsampled))
            }
            (None, None) => (None, None),
        };
        let parent = ids.map(|((trace_id, span_id), random)| Context {
            trace_id,
            span_id,
            sampled: sampled.unwrap_or_default(),
            random,
            forms,
        });
        Self { parent, sampled, forms, by_w3c: by_w3c.is_some() }
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
        set(headers, TRACEPARENT, format!("00-{trace_id:032x}-{span_id:016x}-{:02x}", self.flags()));
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
                "d" => set(headers, B3_FLAGS, "1".to_owned()),
                state => set(headers, B3_SAMPLED, state.to_owned()),
            }
        }
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

/// The trace that a request with `headers` belongs to, as [`Said`] has it.
pub fn trace_id(headers: &HeaderMap) -> Option<u128> {
    if let Some((ids, _)) = one(headers, &TRACEPARENT).and_then(of_traceparent) {
        return Some(ids.0);
    }
    match one(headers, &B3).and_then(of_b3) {
        Some(by_b3) => by_b3.ids.map(|ids| ids.0),
        None => of_several(headers)?.ids.map(|ids| ids.0),
    }
}

type Ids = (u128, u64);

/// The value of a header that is there once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value.as_bytes())
}

/// `00-<trace>-<span>-<flags>`. Of versions that are not known yet, what they have in common with the first.
fn of_traceparent(text: &[u8]) -> Option<(Ids, u8)> {
    let (known, rest) = text.split_at_checked(55)?;
    let mut fields = known.split(|byte| *byte == b'-');
    let mut next = |digits| fields.next().filter(|field| field.len() == digits).and_then(lower_hex);
    let version = next(2)?;
    let ids = (next(32)?, u64::try_from(next(16)?).ok()?);
    let flags = u8::try_from(next(2)?).ok()?;
    let whole = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => rest.is_empty() || rest.starts_with(b"-"),
    };
    (whole && fields.next().is_none()).then_some(())?;
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
    let parent_is_one = fields.next().is_none_or(|parent| parent.len() == 16 && hex(parent).is_some());
    (parent_is_one && fields.next().is_none()).then_some(ByB3 { ids, state })
}

fn of_several(headers: &HeaderMap) -> Option<ByB3> {
    let state = if one(headers, &B3_FLAGS) == Some(b"1") {
        Some(State::Debug)
    } else {
        // Old senders use words.
        one(headers, &B3_SAMPLED).and_then(|text| match text {
            b"1" | b"true" => Some(State::Sampled),
            b"0" | b"false" => Some(State::Unsampled),
            _ => None,
        })
    };
    let ids = one(headers, &B3_TRACE).zip(one(headers, &B3_SPAN));
    let ids = ids.and_then(|(trace, span)| b3_ids(trace, span));
    (ids.is_some() || state.is_some()).then_some(ByB3 { ids, state })
}

fn b3_ids(trace: &[u8], span: &[u8]) -> Option<Ids> {
    if !matches!(trace.len(), 16 | 32) || span.len() != 16 {
        return None;
    }
    named((hex(trace)?, u64::try_from(hex(span)?).ok()?))
}

/// Ids of zeros name nothing.
fn named(ids: Ids) -> Option<Ids> {
    (ids.0 != 0 && ids.1 != 0).then_some(ids)
}

fn lower_hex(text: &[u8]) -> Option<u128> {
    text.iter().all(|byte| !byte.is_ascii_uppercase()).then(|| hex(text)).flatten()
}

fn hex(text: &[u8]) -> Option<u128> {
    let digits = text.iter().all(u8::is_ascii_hexdigit).then(|| std::str::from_utf8(text).ok())??;
    u128::from_str_radix(digits, 16).ok()
}
