//! What goes to the control plane. While it does not read, so many bytes wait here and no more: whoever has something to say waits for
//! its turn, and with it the proxy that sent it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Twice the largest message.
const MOST_WAITING: usize = 2 * 1024 * 1024;
/// Written at once, about.
const BATCH: usize = 64 * 1024;

#[derive(Debug)]
pub struct Outbox {
    room: Arc<Semaphore>,
    queue: RefCell<VecDeque<(Bytes, OwnedSemaphorePermit)>>,
    wake: Notify,
    /// What was sent is under way.
    is_writing: Cell<bool>,
    written: Notify,
}

// === impl Outbox ===

impl Outbox {
    pub fn new() -> Self {
        Self {
            room: Arc::new(Semaphore::new(MOST_WAITING)),
            queue: RefCell::default(),
            wake: Notify::new(),
            is_writing: Cell::default(),
            written: Notify::new(),
        }
    }

    /// Sends a frame as soon as there is room for it; whoever asked first is first.
    pub async fn send(&self, frame: Bytes) {
        let size = frame.len().min(MOST_WAITING) as u32;
        // The semaphore is never closed.
        let Ok(room) = self.room.clone().acquire_many_owned(size).await else { return };
        self.queue.borrow_mut().push_back((frame, room));
        self.wake.notify_one();
    }

    /// Waits until there is room for who asks now: what makes more to send need not begin before.
    pub async fn room(&self) {
        drop(self.room.acquire().await);
    }

    /// Waits until all that was sent is written.
    pub async fn flushed(&self) {
        while self.is_writing.get() || !self.queue.borrow().is_empty() {
            self.written.notified().await;
        }
    }

    /// Writes what is sent until that fails.
    pub async fn write_to(&self, mut socket: impl AsyncWrite + Unpin) -> io::Error {
        let mut batch = BytesMut::with_capacity(BATCH);
        loop {
            self.fill(&mut batch);
            self.is_writing.set(!batch.is_empty());
            if batch.is_empty() {
                self.written.notify_one();
                self.wake.notified().await;
            } else if let Err(error) = socket.write_all_buf(&mut batch).await {
                return error;
            }
        }
    }

    /// The room is given back here: a batch more than [`MOST_WAITING`] may wait.
    fn fill(&self, batch: &mut BytesMut) {
        let mut queue = self.queue.borrow_mut();
        batch.reserve(BATCH);
        while batch.len() < BATCH
            && let Some((frame, _room)) = queue.pop_front()
        {
            batch.extend_from_slice(&frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use tokio::task::unconstrained;

    use super::*;

    #[tokio::test]
    async fn while_nobody_reads_what_waits_is_bounded_and_the_rest_goes_in_order_later() {
        let outbox = Outbox::new();
        let mut sent = 0_u32;
        let mut cx = Context::from_waker(Waker::noop());
        // Otherwise the runtime would say that this test had its share.
        while pin!(unconstrained(outbox.send(Bytes::from(vec![0; 1000])))).poll(&mut cx).is_ready() {
            sent += 1;
        }
        assert_eq!(sent as usize, MOST_WAITING / 1000);
        let (mut near, far) = tokio::io::duplex(1024);
        let read = async {
            let mut last = vec![0; 1000 * sent as usize + 1];
            tokio::io::AsyncReadExt::read_exact(&mut near, &mut last).await.unwrap();
            last.pop()
        };
        let late = async {
            outbox.send(Bytes::from_static(&[7])).await;
            std::future::pending::<()>().await
        };
        let last = tokio::select! {
            last = read => last,
            error = outbox.write_to(far) => panic!("{error}"),
            () = late => None,
        };
        assert_eq!(last, Some(7));
    }
}
