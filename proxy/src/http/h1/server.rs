//! Serving a caller's connection: requests one after the other, each answered before the next is looked at.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::early::Early;
use super::encode::{self, Keeping};
use super::framing::{Framing, is_bodiless};
use super::io::{Io, Reading};
use super::leaving::Leaving;
use super::quiet::{Quiet, TooLong};
use super::request_head::RequestHead;
use super::sending::{Coding, Sending};
use super::{Closing, Error, Incoming};
use crate::http::framing::BadHead;
use crate::http::rescue::LastAnswer;
use crate::http::seldom::Seldom;
use crate::http::upgrade::Switch;
use crate::http::{Body, Upload, interim};
use crate::tcp::Stream;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// What is read of a body that nobody wanted, so that the connection can serve again, or the caller finds our answer
/// before the end of its connection.
const UNWANTED_BYTES: usize = 256 * 1024;
const UNWANTED_TIME: Duration = Duration::from_secs(1);
/// How long the rest of a request may be silent whose answer has ended.
const REST_SILENCE: Duration = Duration::from_secs(60);

/// How long a connection that is asked to end waits for one more request, whose answer says so.
const LAST_REQUEST: Duration = Duration::from_secs(1);

/// What the answer to a request has to know of it.
struct Asked {
    method: Method,
    keeping: Keeping,
    trailers: bool,
    switch: Option<Switch>,
}

/// Answers requests with `respond`, and with `refuse` those whose head cannot be read, until either side ends the connection. Once `ending` ends, the connection does, with the
/// answer that is under way.
pub async fn serve<S, F>(
    stream: Stream,
    respond: S,
    refuse: impl Fn(BadHead) -> Response<Body>,
    ending: impl Future<Output = ()>,
) -> Result<(), Error>
where
    S: Fn(Request<Upload>) -> F,
    F: Future<Output = Response<Body>>,
{
    let io = Io::new(stream);
    let ending = pin!(ending);
    let mut ending = Seldom::new(ending);
    let mut ends = false;
    let mut quiet = Quiet::default();
    loop {
        let head = tokio::select! {
            biased;
            head = poll_fn(|cx| io.poll_take(cx, RequestHead::take)) => head,
            () = &mut ending, if !ends => {
                ends = true;
                continue;
            }
            // Who is about to ask is answered, and told; who does not has a connection that ends while nobody uses it.
            () = last_request(), if ends && !io.has_unread() => return Ok(()),
            () = quiet.tick() => match quiet.look(io.has_unread()) {
                None => continue,
                Some(TooLong::Head) => Err(Error::HeadTooSlow),
                Some(TooLong::Idle) => Ok(None),
            },
        };
        quiet.heard();
        let head = match head {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(()),
            Err(error) => {
                if let Some(bad) = error.bad_head() {
                    Box::pin(tell_and_end(&io, refuse(bad))).await;
                }
                return Err(error);
            }
        };
        let (request, mut asked) = request(&io, head);
        // Boxed, so that a connection without a request is small.
        let mut answer = Some(Box::pin(respond(request)));
        let mut sending = None;
        let mut switches = false;
        let mut leaving = Leaving::default();
        let mut early = Early::default();
        poll_fn(|cx| {
            // Nothing more is asked of an upstream before its caller has taken what it sent already.
            while early.poll_write(cx, &io)?.is_ready()
                && let Some(answering) = &mut answer
            {
                let (polled, heard) = interim::hear(|| answering.as_mut().poll(cx));
                let quiet = heard.is_empty();
                early.put(heard, asked.keeping.version);
                if let Poll::Ready(response) = polled {
                    answer = None;
                    ends = ends || Pin::new(&mut ending).poll(cx).is_ready();
                    asked.keeping.keeps &= !ends;
                    switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
                    sending = Some(asked.answer(&io, response));
                } else if quiet {
                    break;
                }
            }
            if let Some(sending) = &mut sending
                && early.is_written()
                && let Poll::Ready(sent) = sending.poll(cx, &io)
            {
                // What was wrong with a body is known where it came from.
                return Poll::Ready(sent.map_err(|unsent| unsent.into_error(|_| Error::Closed)));
            }
            leaving.poll(&io, cx).map(Err)
        })
        .await?;
        if sending.is_some_and(|sending| sending.is_until_close()) {
            io.reset_on_close(false);
        }
        if switches {
            if let (Some(switch), Some(io)) = (asked.switch, Rc::into_inner(io)) {
                switch.give(io.into_stream());
            }
            return Ok(());
        }
        if !finish(&io, asked.keeping.keeps).await {
            return Ok(());
        }
    }
}

fn request(io: &Rc<Io>, head: Box<RequestHead>) -> (Request<Upload>, Asked) {
    let RequestHead {
        method,
        uri,
        raw_target,
        version,
        headers,
        framing,
        keeps,
        expects,
        trailers,
        upgrades,
    } = *head;
    let body = Incoming::new(io, framing, None);
    if expects && !body.is_end_stream() && version != Version::HTTP_10 {
        io.say_before_body(CONTINUE);
    }
    let mut request = Request::new(Upload::from(crate::http::Incoming::H1(body)));
    *request.method_mut() = method.clone();
    *request.uri_mut() = uri;
    *request.version_mut() = version;
    *request.headers_mut() = headers;
    if let Some(raw_target) = raw_target {
        request.extensions_mut().insert(raw_target);
    }
    let switch = upgrades.then(|| Switch::offer(&mut request));
    (request, Asked { method, keeping: Keeping { version, keeps }, trailers, switch })
}

/// Answers a caller whose next request cannot be read.
async fn tell_and_end(io: &Io, response: Response<Body>) {
    let (head, body) = response.into_parts();
    let keeping = Keeping { version: Version::HTTP_11, keeps: false };
    let coding = Coding::Length(body.size_hint().exact().unwrap_or_default());
    let mut sending = Sending::response(encode::response_head(&head, coding, keeping), coding, body, false);
    if poll_fn(|cx| sending.poll(cx, io)).await.is_ok() {
        linger(io).await;
    }
}

/// Boxed: rare, and would make every connection larger.
async fn last_request() {
    Box::pin(tokio::time::sleep(LAST_REQUEST)).await;
}

/// After an answer: whether another request can follow. If not, the connection is ended.
async fn finish(io: &Rc<Io>, keeps: bool) -> bool {
    // Boxed below: rare, and would make every connection larger.
    let reading = match io.reading() {
        Reading::UnderWay => Box::pin(rest_is_read(io)).await,
        reading => reading,
    };
    let clear = match reading {
        Reading::Ended => true,
        Reading::Left(framing) if keeps => Box::pin(skip(io, framing)).await,
        Reading::Left(_) | Reading::Broken | Reading::UnderWay => false,
    };
    if keeps && clear {
        return true;
    }
    if clear {
        // Failing to end it means that the caller has.
        let _ = poll_fn(|cx| io.poll_shutdown(cx)).await;
    } else {
        Box::pin(linger(io)).await;
        // Who still sends the rest on waits for a caller that sends none.
        io.shut();
    }
    false
}

/// Waits until the rest of a request has been read, or has been silent for too long.
async fn rest_is_read(io: &Io) -> Reading {
    loop {
        let before = io.read();
        match timeout(REST_SILENCE, poll_fn(|cx| io.poll_reading_over(cx))).await {
            Ok(reading) => return reading,
            Err(_) if io.read() == before => return Reading::UnderWay,
            Err(_) => {}
        }
    }
}

/// Reads a body that nobody wants, if it is not too long; whether it came to its end.
async fn skip(io: &Rc<Io>, framing: Framing) -> bool {
    let mut body = Incoming::new(io, framing, None);
    let skipped = timeout(UNWANTED_TIME, async {
        let mut read = 0;
        while read < UNWANTED_BYTES {
            match body.frame().await {
                Some(Ok(frame)) => read += frame.data_ref().map_or(0, Bytes::len),
                Some(Err(_)) => return false,
                None => return true,
            }
        }
        false
    });
    skipped.await.unwrap_or(false)
}

/// Ends our side and reads on for a moment: what arrives at a closed socket resets the connection, and with it goes the answer
/// that the caller may not have read yet (RFC 9112 9.6).
async fn linger(io: &Io) {
    let _ = timeout(UNWANTED_TIME, async {
        poll_fn(|cx| io.poll_shutdown(cx)).await?;
        let mut read = 0;
        while read < UNWANTED_BYTES {
            match poll_fn(|cx| io.poll_fill(cx)).await? {
                0 => break,
                more => read += more,
            }
            io.with_unread(|unread| unread.clear());
        }
        Ok::<_, std::io::Error>(())
    })
    .await;
}

// === impl Asked ===

impl Asked {
    fn answer(&mut self, io: &Io, response: Response<Body>) -> Sending<Body> {
        let (head, body) = response.into_parts();
        self.keeping.keeps &= head.extensions.get::<LastAnswer>().is_none();
        let coding = self.coding(head.status, &body);
        let unsaid = io.take_unsaid();
        // Who was not told to send the body may send the next request instead: nobody can tell.
        let clear = unsaid.is_empty() && io.reading() != Reading::Broken;
        self.keeping.keeps &=
            clear && coding != Coding::UntilClose && head.extensions.get::<Closing>().is_none();
        if coding == Coding::UntilClose {
            // The end of the connection is that of the body, so it must not come before.
            io.reset_on_close(true);
        }
        let mut text = encode::response_head(&head, coding, self.keeping);
        if !unsaid.is_empty() && unsaid.len() < CONTINUE.len() {
            text = [unsaid, &text].concat();
        }
        Sending::response(text, coding, body, self.trailers)
    }

    fn coding(&self, status: StatusCode, body: &Body) -> Coding {
        if is_bodiless(status, &self.method) {
            return Coding::None;
        }
        match body.size_hint().exact() {
            _ if body.is_end_stream() => Coding::Length(0),
            Some(length) => Coding::Length(length),
            // HTTP/1.0 knows no chunks: what has no length ends with its connection, also where the caller asked to keep that.
            None if self.keeping.version == Version::HTTP_10 => Coding::UntilClose,
            None => Coding::Chunked,
        }
    }
}

#[cfg(test)]
mod tests;
