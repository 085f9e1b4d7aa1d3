//! Where lines wait to be written: a page for each worker, which a thread of its own reads and writes many lines at a time.
//!
//! Whoever writes a line never waits, and wakes nobody for most of them. A worker has its page to itself but for the moment in which the
//! thread exchanges it for an empty one; a line of that moment goes to a second page. What does not fit is dropped and counted.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};
use std::{fmt, mem};

use prometheus_client::metrics::counter::Counter;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::lines::LONGEST;
use crate::telemetry::timestamp::Clock;

/// What waits on one page at most, in bytes.
pub(super) const MOST_BYTES: usize = 256 * 1024;
/// From here on it is written at once, and what an empty page keeps for the next lines.
const MANY_BYTES: usize = 32 * 1024;
/// How long lines wait for others.
const GATHER: Duration = Duration::from_millis(100);

/// Where one worker writes lines. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Pages {
    own: Arc<[Mutex<Page>; 2]>,
    desk: Arc<Desk>,
}

/// Lines that wait, whole.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub bytes: Vec<u8>,
    pub clock: Clock,
}

/// What workers know of the thread. Dropping the last ends it.
struct Desk {
    tray: Arc<Tray>,
    /// The thread, once there was a line; `None`: there could be none.
    writer: OnceLock<Option<Thread>>,
    name: &'static str,
    out: Mutex<Option<Box<dyn Write + Send>>>,
}

/// What workers and the thread share.
#[derive(Debug, Default)]
struct Tray {
    pages: Mutex<Vec<Arc<[Mutex<Page>; 2]>>>,
    /// To be answered once everything before them is out.
    flushes: Mutex<Vec<oneshot::Sender<()>>>,
    /// Much waits.
    much: AtomicBool,
    closed: AtomicBool,
    dropped: Counter,
}

// === impl Pages ===

impl Pages {
    /// Has a thread with this name write to `out`; it begins with the first line and ends with the last of them all.
    pub fn new(name: &'static str, out: Box<dyn Write + Send>) -> Self {
        let (tray, writer, out) = (Arc::default(), OnceLock::new(), Mutex::new(Some(out)));
        Self::of(Arc::new(Desk { tray, writer, name, out }))
    }

    /// Others, for another worker.
    pub fn another(&self) -> Self {
        Self::of(self.desk.clone())
    }

    fn of(desk: Arc<Desk>) -> Self {
        let own: Arc<[Mutex<Page>; 2]> = Arc::default();
        locked(&desk.tray.pages).push(own.clone());
        Self { own, desk }
    }

    /// Has `write` add one line, without its end, where there is room. Never waits.
    pub fn put(&self, write: impl FnOnce(&mut Page)) {
        let tray = &self.desk.tray;
        let free = self.own.iter().find_map(|page| match page.try_lock() {
            Ok(page) => Some(page),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        });
        let Some(mut page) = free.filter(|page| page.bytes.len() <= MOST_BYTES - LONGEST) else {
            tray.dropped.inc();
            return;
        };
        let before = page.bytes.len();
        write(&mut page);
        page.bytes.truncate(before + LONGEST - 1);
        page.bytes.push(b'\n');
        let waiting = page.bytes.len();
        drop(page);
        if before == 0 {
            self.desk.wake();
        } else if before < MANY_BYTES && waiting >= MANY_BYTES {
            tray.much.store(true, Ordering::Release);
            self.desk.wake();
        }
    }

    /// Counts the lines that were not written, since nobody took those before them.
    pub fn dropped(&self) -> &Counter {
        &self.desk.tray.dropped
    }

    /// Waits, at most for `limit`, until what was put before is written.
    pub async fn flush(&self, limit: Duration) {
        if !matches!(self.desk.writer.get(), Some(Some(_))) {
            return;
        }
        let (answer, answered) = oneshot::channel();
        locked(&self.desk.tray.flushes).push(answer);
        self.desk.wake();
        // Late or not, the process goes on.
        let _ = timeout(limit, answered).await;
    }
}

// === impl Desk ===

impl Desk {
    /// Has the thread look, and begins it where there is none yet.
    fn wake(&self) {
        let writer = self.writer.get_or_init(|| {
            let (tray, out) = (self.tray.clone(), locked(&self.out).take()?);
            let thread = thread::Builder::new().name(self.name.to_owned()).spawn(move || tray.write_all(out));
            // Without it lines are dropped once the pages are full.
            let told =
                |error: &io::Error| tracing::error!(%error, "{}: its thread cannot be started", self.name);
            thread.inspect_err(told).ok().map(|thread| thread.thread().clone())
        });
        if let Some(writer) = writer {
            writer.unpark();
        }
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.tray.closed.store(true, Ordering::Release);
        if let Some(Some(writer)) = self.writer.get() {
            writer.unpark();
        }
    }
}

// === impl Tray ===

impl Tray {
    /// Writes what comes. A pipe that is closed takes nothing more; the pages are emptied all the same.
    fn write_all(&self, mut out: impl Write) {
        let mut spare = Vec::new();
        loop {
            let closed = self.closed.load(Ordering::Acquire);
            if !closed && !self.is_asked() {
                if !self.has_lines() {
                    thread::park();
                    continue;
                }
                self.gather();
            }
            // Before what they wait for, so that it is all written when they are answered.
            let flushes = mem::take(&mut *locked(&self.flushes));
            self.much.store(false, Ordering::Release);
            for page in self.all().iter().flat_map(|pages| pages.iter()) {
                self.dropped.inc_by(exchange(page, &mut spare, &mut out));
            }
            let _ = out.flush();
            for answer in flushes {
                // Who is gone does not wait.
                let _ = answer.send(());
            }
            if closed {
                return;
            }
        }
    }

    /// Lets lines come for a while.
    fn gather(&self) {
        let until = Instant::now() + GATHER;
        while !self.is_asked() && !self.much.load(Ordering::Acquire) && !self.closed.load(Ordering::Acquire) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::park_timeout(left);
        }
    }

    fn is_asked(&self) -> bool {
        !locked(&self.flushes).is_empty()
    }

    fn has_lines(&self) -> bool {
        self.all().iter().flat_map(|page| page.iter()).any(|page| !locked(page).bytes.is_empty())
    }

    fn all(&self) -> Vec<Arc<[Mutex<Page>; 2]>> {
        locked(&self.pages).clone()
    }
}

/// Writes what is on a page, which gets `spare` for it; the page is held no longer than that takes. Says how many lines nobody took.
fn exchange(page: &Mutex<Page>, spare: &mut Vec<u8>, out: &mut impl Write) -> u64 {
    mem::swap(&mut locked(page).bytes, spare);
    let lines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    let lost = out.write_all(spare).map_or_else(|_| lines(spare), |()| 0);
    spare.clear();
    // Half of what much is may be over when the last line is added.
    spare.shrink_to(2 * MANY_BYTES);
    lost
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::test_util::Stalled;

    #[tokio::test]
    async fn an_access_log_that_nobody_reads_holds_no_more_than_it_may_and_what_it_missed_is_counted() {
        const LINE: usize = 1000;
        let ((go, stalled), (written, seen)) = (mpsc::channel(), mpsc::channel());
        let pages = Pages::new("test", Box::new(Stalled(stalled, written)));
        let all = 5 * MOST_BYTES / LINE;
        for _ in 0..all {
            pages.put(|page| page.bytes.extend([b'x'; LINE - 1]));
        }
        let dropped = usize::try_from(pages.dropped().get()).unwrap();
        // One page that waits, what is being written, and the second page.
        let held = (all - dropped) * LINE;
        assert!((MOST_BYTES - LONGEST - LINE..=3 * MOST_BYTES).contains(&held), "{held}");
        drop(go);
        pages.flush(Duration::from_secs(10)).await;
        drop(pages);
        let text: Vec<u8> = seen.iter().flatten().collect();
        assert_eq!(text.len(), held);
        assert!(
            text.chunks(LINE).all(|line| line[..LINE - 1] == [b'x'; LINE - 1] && line[LINE - 1] == b'\n')
        );
    }

    #[tokio::test]
    async fn lines_of_several_workers_are_all_written_whole_and_many_at_a_time() {
        const LINES: usize = 5_000;
        let ((go, stalled), (written, seen)) = (mpsc::channel(), mpsc::channel());
        drop(go);
        let pages = Pages::new("test", Box::new(Stalled(stalled, written)));
        let workers = ["one", "two", "three"].map(|name| {
            let pages = pages.another();
            thread::spawn(move || {
                (0..LINES).for_each(|at| {
                    pages.put(|page| {
                        let _ = write!(page.bytes, "{name} {at}");
                    });
                });
            })
        });
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        let dropped = pages.dropped().get();
        drop(pages);
        let writes: Vec<Vec<u8>> = seen.iter().collect();
        let text = String::from_utf8(writes.concat()).unwrap();
        let lines: std::collections::HashSet<&str> = text.lines().collect();
        assert_eq!((lines.len(), dropped), (3 * LINES, 0));
        assert!(lines.contains("three 4999") && text.ends_with('\n'));
        assert!(writes.len() < LINES, "{}", writes.len());
    }
}
