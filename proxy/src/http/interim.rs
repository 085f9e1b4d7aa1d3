//! Informational responses (1xx) on their way back: early hints, signs of progress. They pass at once and in order, in either HTTP
//! (RFC 9110 15.2), but for 100 and 101, which are for the hop that asked.
//!
//! Between whoever reads an upstream and whoever writes to the caller there is no task and no channel: the one polls the other. So what
//! is read during a poll waits in the thread until that poll is over, which costs requests without any, nearly all, two swaps of a byte.

use std::cell::{Cell, RefCell};

use http::{HeaderMap, Response, StatusCode};

use super::Seen;
use super::headers::strip_hop_by_hop;

/// Informational responses to one request that pass; an upstream that sends more has them left out, since HTTP/2 holds them for a caller
/// that does not read.
pub const MOST: usize = 100;

thread_local! {
    static EAR: Cell<Ear> = const { Cell::new(Ear::Away) };
    /// What has been heard, and not been given to who listens.
    static HEARD: RefCell<Vec<Response<()>>> = const { RefCell::new(Vec::new()) };
}

/// Whether the poll under way is listened to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ear {
    Away,
    Open,
    /// There is something for it.
    Full,
}

/// Runs `poll`, and gives what was heard during it.
pub fn hear<T>(poll: impl FnOnce() -> T) -> (T, Vec<Response<()>>) {
    let outer = EAR.replace(Ear::Open);
    // Where one listens within another each hears its own.
    let before = if outer == Ear::Full { HEARD.with_borrow(Vec::len) } else { 0 };
    let result = poll();
    let heard = match EAR.replace(outer) {
        Ear::Full => HEARD.with_borrow_mut(|heard| heard.split_off(before)),
        Ear::Open | Ear::Away => Vec::new(),
    };
    (result, heard)
}

/// An upstream sent this; it goes to whoever listens, be it nobody.
pub fn tell(status: StatusCode, headers: HeaderMap) {
    if matches!(status, StatusCode::CONTINUE | StatusCode::SWITCHING_PROTOCOLS) || EAR.get() == Ear::Away {
        return;
    }
    HEARD.with_borrow_mut(|heard| {
        if heard.len() < MOST {
            let mut response = Response::new(());
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            let seen = Seen::of(response.headers());
            strip_hop_by_hop(response.headers_mut(), seen);
            heard.push(response);
            EAR.set(Ear::Full);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_listens_hears_in_order_and_nobody_else_does() {
        let early = StatusCode::from_u16(103).unwrap();
        tell(early, HeaderMap::new());
        let ((inner, told), outer) = hear(|| {
            tell(StatusCode::PROCESSING, HeaderMap::new());
            let inner = hear(|| tell(early, HeaderMap::new()));
            tell(StatusCode::CONTINUE, HeaderMap::new());
            tell(early, HeaderMap::new());
            (inner.1.len(), 7)
        });
        let outer: Vec<u16> = outer.iter().map(|response| response.status().as_u16()).collect();
        assert_eq!((inner, told, outer), (1, 7, vec![102, 103]));
        let ((), many) = hear(|| (0..2 * MOST).for_each(|_| tell(early, HeaderMap::new())));
        assert_eq!(many.len(), MOST);
    }
}
