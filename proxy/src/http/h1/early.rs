//! Informational responses that go to a caller before its answer does.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use http::{Response, Version};

use super::encode::{self, Keeping};
use super::io::Io;
use super::sending::Coding;

/// What is left to write of them.
#[derive(Debug, Default)]
pub struct Early(Vec<u8>);

// === impl Early ===

impl Early {
    /// Takes more of them, unless the caller speaks HTTP/1.0, which knows none (RFC 9110 15.2).
    pub fn put(&mut self, heard: Vec<Response<()>>, version: Version) {
        if version == Version::HTTP_10 {
            return;
        }
        for response in heard {
            let keeping = Keeping { version, keeps: true };
            self.0.extend(encode::response_head(&response.into_parts().0, Coding::None, keeping));
        }
    }

    pub fn is_written(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes them, behind what was begun to be said of the request's body.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, io: &Io) -> Poll<io::Result<()>> {
        if self.0.is_empty() {
            return Poll::Ready(Ok(()));
        }
        ready!(io.poll_begun_interim(cx))?;
        while !self.0.is_empty() {
            let written = ready!(io.poll_write(cx, &[IoSlice::new(&self.0)]))?;
            self.0.drain(..written);
        }
        // What a flush is late with leaves with what follows.
        let _ = io.poll_flush(cx)?;
        Poll::Ready(Ok(()))
    }
}
