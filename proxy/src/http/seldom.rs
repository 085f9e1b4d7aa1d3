//! A future that is polled often, beside others, and seldom has anything to say.
//!
//! Whoever serves a connection waits for requests, and for several reasons to end it: polling all of those cost each request
//! hundreds of instructions. This polls them again only once one of them has woken its task.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// See the module.
#[derive(Debug)]
pub struct Seldom<F> {
    future: F,
    bell: Arc<Bell>,
    /// That of the bell, made once.
    waker: Waker,
    /// The task that polls.
    task: Option<Waker>,
}

/// What the future wakes.
#[derive(Debug)]
struct Bell {
    rung: AtomicBool,
    task: Mutex<Option<Waker>>,
}

// === impl Seldom ===

impl<F: Future + Unpin> Seldom<F> {
    pub fn new(future: F) -> Self {
        let bell = Arc::new(Bell { rung: AtomicBool::new(true), task: Mutex::default() });
        Self { future, waker: bell.clone().into(), bell, task: None }
    }
}

impl<F: Future + Unpin> Future for Seldom<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        if !this.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            this.task = Some(cx.waker().clone());
            this.bell.tell(cx.waker());
        }
        // Before the future is asked: it may wake its task meanwhile.
        if !this.bell.rung.load(Ordering::Acquire) || !this.bell.rung.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        Pin::new(&mut this.future).poll(&mut Context::from_waker(&this.waker))
    }
}

// === impl Bell ===

impl Bell {
    /// Has `task` woken from now on.
    fn tell(&self, task: &Waker) {
        if let Ok(mut told) = self.task.lock() {
            *told = Some(task.clone());
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        let task = self.task.lock().ok().and_then(|told| told.clone());
        if let Some(task) = task {
            task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::Notify;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn it_is_asked_again_only_once_it_has_woken_whoever_polls() {
        let (notify, asked) = (Notify::new(), Cell::new(0));
        let notified = notify.notified();
        let mut notified = Box::pin(notified);
        let mut seldom = Seldom::new(poll_fn(|cx| {
            asked.set(asked.get() + 1);
            notified.as_mut().poll(cx)
        }));
        let tasks = [Arc::new(Woken::default()), Arc::new(Woken::default())];
        for task in &tasks {
            let waker = task.clone().into();
            for _ in 0..3 {
                assert!(Pin::new(&mut seldom).poll(&mut Context::from_waker(&waker)).is_pending());
            }
        }
        assert_eq!(asked.get(), 1);
        notify.notify_one();
        let woken = tasks.each_ref().map(|task| task.0.load(Ordering::Relaxed));
        assert_eq!(woken, [0, 1], "the task that polled last");
        seldom.await;
        assert_eq!(asked.get(), 2);
    }
}
