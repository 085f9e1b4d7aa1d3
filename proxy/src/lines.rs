//! Lines for whoever reads stderr, who may be slow or have stopped: whoever writes one never waits.
//!
//! Lines go into a bounded queue that a thread of its own empties; what does not fit is dropped and counted.

use std::io::{self, BufWriter, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// Lines that may wait to be written, of one output: at some 500 bytes each, half a megabyte.
const QUEUE: usize = 1024;
/// What is written of a line at the most, in bytes: with [`QUEUE`] it bounds what an output that takes nothing holds.
pub const LONGEST: usize = 8 * 1024;
/// How long to wait for room in a full queue, for who must.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// Where lines are written. Clones share it.
#[derive(Clone, Debug)]
pub struct Lines {
    queue: SyncSender<Message>,
    dropped: Counter,
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    /// Everything before this is to be out when this is answered.
    Flush(oneshot::Sender<()>),
}

// === impl Lines ===

impl Lines {
    /// Writes to `out` from a thread with this name, which ends with the last clone.
    pub fn start(name: &str, out: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, waiting) = sync_channel(QUEUE);
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || write_all(&waiting, &mut BufWriter::new(out)))?;
        Ok(Self { queue, dropped: Counter::default() })
    }

    /// Writes a line without its end. Never waits.
    pub fn put(&self, mut line: Vec<u8>) {
        line.truncate(LONGEST);
        line.push(b'\n');
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.queue.try_send(Message::Line(line))
        {
            self.dropped.inc();
        }
    }

    /// Counts the lines that were not written, since nobody took those before them.
    pub fn dropped(&self) -> &Counter {
        &self.dropped
    }

    /// Waits, at most for `limit`, until what was put before is written.
    pub async fn flush(&self, limit: Duration) {
        let (answer, answered) = oneshot::channel();
        let mut message = Message::Flush(answer);
        // Late or not, the process goes on.
        let _ = timeout(limit, async {
            while let Err(TrySendError::Full(back)) = self.queue.try_send(message) {
                message = back;
                sleep(FULL_PAUSE).await;
            }
            answered.await
        })
        .await;
    }
}

/// Writes what comes, and flushes whenever nothing waits. A pipe that is closed takes nothing more; the queue is emptied
/// all the same.
fn write_all(waiting: &Receiver<Message>, out: &mut impl Write) {
    while let Ok(message) = waiting.recv() {
        let mut next = Some(message);
        while let Some(message) = next {
            match message {
                Message::Line(line) => {
                    let _ = out.write_all(&line);
                }
                Message::Flush(answer) => {
                    let _ = out.flush();
                    let _ = answer.send(());
                }
            }
            next = waiting.try_recv().ok();
        }
        let _ = out.flush();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::test_util::Stalled;

    #[tokio::test]
    async fn an_output_that_takes_nothing_holds_nobody_up_and_what_it_missed_is_counted() {
        let ((go, stalled), (written, seen)) = (mpsc::channel(), mpsc::channel());
        let lines = Lines::start("test", Stalled(stalled, written)).unwrap();
        for _ in 0..3 * QUEUE {
            lines.put(vec![b'x'; 2 * LONGEST]);
        }
        // What the buffer in front of it took, beside the queue.
        assert!((2 * QUEUE as u64 - 8..=2 * QUEUE as u64).contains(&lines.dropped().get()));
        drop(go);
        lines.flush(Duration::from_secs(10)).await;
        drop(lines);
        let all: Vec<u8> = seen.iter().flatten().collect();
        assert!(all.split(|byte| *byte == b'\n').all(|line| line.len() <= LONGEST));
        assert!(all.len() >= QUEUE * LONGEST);
    }
}
