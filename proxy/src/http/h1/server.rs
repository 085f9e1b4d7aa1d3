//! Serving a caller's connection: requests one after the other, each answered before the next is looked at.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::encode::{self, Keeping};
use super::framing::{Framing, is_bodiless};
use super::io::{Io, Reading};
use super::request_head::RequestHead;
use super::sending::{Coding, Sending};
use super::{Error, Incoming};
use crate::http::upgrade::Switch;
use crate::http::{Body, Upload};
use crate::tcp::Stream;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// What is read of a body that nobody wanted, so that the connection can serve again, or the caller finds our answer
/// before the end of its connection.
const UNWANTED_BYTES: usize = 256 * 1024;
const UNWANTED_TIME: Duration = Duration::from_secs(1);

/// What the answer to a request has to know of it.
struct Asked {
    method: Method,
    keeping: Keeping,
    trailers: bool,
    switch: Option<Switch>,
}

/// Answers requests with `respond` until either side ends the connection. Once `ending` ends, the connection does, with the
/// answer that is under way.
pub async fn serve<S, F>(stream: Stream, respond: S, ending: impl Future<Output = ()>) -> Result<(), Error>
where
    S: Fn(Request<Upload>) -> F,
    F: Future<Output = Response<Body>>,
{
    let io = Io::new(stream);
    let mut ending = pin!(ending);
    let mut ends = false;
    loop {
        let head = tokio::select! {
            biased;
            head = poll_fn(|cx| io.poll_take(cx, RequestHead::take)) => head,
            () = &mut ending, if !ends => {
                ends = true;
                if io.has_unread() { continue } else { return Ok(()) }
            }
        };
        let head = match head {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(()),
            Err(error) => {
                Box::pin(refuse(&io, &error)).await;
                return Err(error);
            }
        };
        let (request, mut asked) = request(&io, head);
        // Boxed, so that a connection without a request is small.
        let mut answer = Some(Box::pin(respond(request)));
        let mut sending = None;
        let mut switches = false;
        poll_fn(|cx| {
            if let Some(Poll::Ready(response)) = answer.as_mut().map(|answer| answer.as_mut().poll(cx)) {
                answer = None;
                ends = ends || ending.as_mut().poll(cx).is_ready();
                asked.keeping.keeps &= !ends;
                switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
                sending = Some(asked.answer(&io, response));
            }
            if let Some(sending) = &mut sending
                && let Poll::Ready(sent) = sending.poll(cx, &io)
            {
                // What was wrong with a body is known where it came from.
                return Poll::Ready(sent.map_err(|unsent| unsent.into_error(|_| Error::Closed)));
            }
            poll_gone(&io, cx).map(Err)
        })
        .await?;
        drop(sending);
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

fn request(io: &Rc<Io>, head: RequestHead) -> (Request<Upload>, Asked) {
    let RequestHead { method, uri, version, headers, framing, keeps, expects, trailers, upgrades } = head;
    let body = Incoming::new(io, framing, None);
    if expects && !body.is_end_stream() && version != Version::HTTP_10 {
        io.say_before_body(CONTINUE);
    }
    let mut request = Request::new(Upload::from(crate::http::Incoming::H1(body)));
    *request.method_mut() = method.clone();
    *request.uri_mut() = uri;
    *request.version_mut() = version;
    *request.headers_mut() = headers;
    let switch = upgrades.then(|| Switch::offer(&mut request));
    (request, Asked { method, keeping: Keeping { version, keeps }, trailers, switch })
}

/// Whether the caller has left, which gives its request up. Looked at while nothing else reads from it.
fn poll_gone(io: &Io, cx: &mut Context<'_>) -> Poll<Error> {
    if io.reading() != Reading::Ended || io.has_unread() {
        return Poll::Pending;
    }
    match io.poll_fill(cx) {
        Poll::Ready(Ok(0)) => Poll::Ready(Error::Closed),
        Poll::Ready(Err(error)) => Poll::Ready(error.into()),
        // The next request, which waits.
        Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
    }
}

/// Tells a caller what is wrong with the head of its request, where it can be told.
async fn refuse(io: &Io, error: &Error) {
    let Some(status) = error.status() else { return };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let (head, body) = response.into_parts();
    let keeping = Keeping { version: Version::HTTP_11, keeps: false };
    let coding = Coding::Length(0);
    let mut sending = Sending::new(encode::response_head(&head, coding, keeping), coding, body, false);
    if poll_fn(|cx| sending.poll(cx, io)).await.is_ok() {
        linger(io).await;
    }
}

/// After an answer: whether another request can follow. If not, the connection is ended.
async fn finish(io: &Rc<Io>, keeps: bool) -> bool {
    // Boxed below: rare, and would make every connection larger.
    let clear = match poll_fn(|cx| io.poll_reading_over(cx)).await {
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
    }
    false
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
        let coding = self.coding(head.status, &body);
        let unsaid = io.take_unsaid();
        // Who was not told to send the body may send the next request instead: nobody can tell.
        let clear = unsaid.is_empty() && io.reading() != Reading::Broken;
        self.keeping.keeps &= clear && coding != Coding::UntilClose;
        let mut text = encode::response_head(&head, coding, self.keeping);
        if !unsaid.is_empty() && unsaid.len() < CONTINUE.len() {
            text = [unsaid, &text].concat();
        }
        Sending::new(text, coding, body, self.trailers)
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
