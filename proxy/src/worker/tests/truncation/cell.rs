//! The cells of the table.

use h2::Reason;

/// How a message is told apart from what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A length, in HTTP/1.0.
    Http10,
    Length,
    Chunked,
    UntilClose,
    H2,
    GrpcUnary,
    GrpcStream,
}

/// What the caller speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    Http10,
    Http11,
    H2,
}

/// Where the message breaks off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Head,
    /// Behind the head; of a gRPC stream, between two messages.
    Between,
    Body,
    /// All data is there: the last byte, or what says that it was the last, is missing.
    Trailers,
}

/// Who breaks it off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Application,
    FarProxy,
    Deadline,
    Caller,
}

/// Which way the message goes that breaks off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Towards {
    Caller,
    Application,
}

/// How it is broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The connection ends.
    Close,
    /// The connection is reset.
    Reset,
    /// The stream is reset.
    Code(Reason),
    /// Time passes.
    Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// The caller's proxy, and an application without one.
    Direct,
    /// Both proxies.
    Mesh,
}

#[derive(Clone, Copy, Debug)]
pub struct Cell {
    pub id: usize,
    pub path: Path,
    pub form: Form,
    pub speaks: Speaks,
    pub towards: Towards,
    pub place: Place,
    pub who: Who,
    pub how: How,
}

/// What a whole message holds, and what of it comes before it breaks off.
pub const FULL: &[u8] = b"part and rest";
const PART: &[u8] = b"part";

// === impl Cell ===

impl Cell {
    pub fn all() -> Vec<Self> {
        let mut cells = Vec::new();
        for path in [Path::Direct, Path::Mesh] {
            for (form, speaks) in pairs() {
                for towards in [Towards::Caller, Towards::Application] {
                    for place in [Place::Head, Place::Between, Place::Body, Place::Trailers] {
                        for who in [Who::Application, Who::FarProxy, Who::Deadline, Who::Caller] {
                            for how in hows(form, who) {
                                let cell =
                                    Self { id: cells.len(), path, form, speaks, towards, place, who, how };
                                cells.extend(cell.is_possible().then_some(cell));
                            }
                        }
                    }
                }
            }
        }
        cells
    }

    fn is_possible(&self) -> bool {
        let request = self.towards == Towards::Application;
        let nonsense = [
            self.path == Path::Direct && self.who == Who::FarProxy,
            // The end of the connection is the end of this one, whatever its server meant.
            self.form == Form::UntilClose
                && (self.who, self.how) == (Who::Application, How::Close)
                && self.place != Place::Head,
            // No request is told apart so.
            request && self.form == Form::UntilClose,
            request && self.form == Form::Chunked && self.speaks == Speaks::Http10,
            // The same as the one with a length.
            request && self.form == Form::Http10 && self.speaks == Speaks::Http11,
            // Nobody but its caller knows of a request whose head is not there; and a frame of HTTP/2 comes whole or not at all.
            request && self.place == Place::Head && (self.who != Who::Caller || self.is_h2()),
        ];
        !nonsense.contains(&true)
    }

    pub fn is_h2(&self) -> bool {
        self.speaks == Speaks::H2
    }

    pub fn is_grpc(&self) -> bool {
        matches!(self.form, Form::GrpcUnary | Form::GrpcStream)
    }

    /// The data of a whole message.
    pub fn full(&self) -> Vec<u8> {
        match self.form {
            Form::GrpcUnary => message(FULL),
            Form::GrpcStream => [message(FULL), message(FULL)].concat(),
            _ => FULL.to_vec(),
        }
    }

    /// The data that comes before it breaks off.
    pub fn data(&self) -> Vec<u8> {
        let full = self.full();
        let length = match (self.place, self.form) {
            (Place::Between, Form::GrpcStream) => full.len() / 2,
            (Place::Head | Place::Between, _) => 0,
            (Place::Body, Form::GrpcStream) => full.len() / 2 + PART.len(),
            (Place::Body, _) => PART.len(),
            // Whole where something more says so, and one byte short elsewhere.
            (Place::Trailers, Form::Http10 | Form::Length) => full.len() - 1,
            (Place::Trailers, _) => full.len(),
        };
        full[..length].to_vec()
    }

    /// What goes over an HTTP/1 connection of a message that begins with `start`, before it breaks off.
    pub fn http1(&self, start: &str) -> Vec<u8> {
        let framing = match self.form {
            Form::Http10 | Form::Length => format!("content-length: {}\r\n", FULL.len()),
            Form::Chunked => "transfer-encoding: chunked\r\n".to_owned(),
            _ => String::new(),
        };
        let head = format!("{start}{framing}\r\n").into_bytes();
        if self.place == Place::Head {
            return head[..head.len() - 6].to_vec();
        }
        let data = self.data();
        let body = match (self.form, self.place) {
            (Form::Chunked, Place::Between) => Vec::new(),
            // One chunk of which not all is there, and a trailer of which not all is.
            (Form::Chunked, Place::Body) => [b"d\r\n", &data[..]].concat(),
            (Form::Chunked, _) => [b"d\r\n", &data[..], b"\r\n0\r\nx-sum: "].concat(),
            _ => data,
        };
        [head, body].concat()
    }
}

fn pairs() -> Vec<(Form, Speaks)> {
    let http1 = [Form::Http10, Form::Length, Form::Chunked, Form::UntilClose];
    let http1 = http1.into_iter().flat_map(|form| [(form, Speaks::Http10), (form, Speaks::Http11)]);
    let h2 = [Form::H2, Form::GrpcUnary, Form::GrpcStream].map(|form| (form, Speaks::H2));
    http1.chain(h2).collect()
}

fn hows(form: Form, who: Who) -> Vec<How> {
    let codes = [Reason::NO_ERROR, Reason::INTERNAL_ERROR, Reason::REFUSED_STREAM, Reason::CANCEL];
    match (who, form) {
        (Who::Deadline, _) => vec![How::Time],
        (Who::Application | Who::Caller, Form::H2 | Form::GrpcUnary | Form::GrpcStream) => {
            [How::Close].into_iter().chain(codes.map(How::Code)).collect()
        }
        _ => vec![How::Close, How::Reset],
    }
}

/// A message of gRPC.
fn message(data: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0, data.len() as u8], data].concat()
}
