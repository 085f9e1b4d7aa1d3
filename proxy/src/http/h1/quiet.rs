//! How long a caller may take for a head, and how long it may keep a connection without asking for anything.
//!
//! One timer for the life of a connection, which is looked at only while a head is waited for: a request costs no timer.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use crate::http::seldom::Seldom;

/// How often is looked.
const TICK: Duration = Duration::from_secs(30);
/// A head that is not there after so many looks is not waited for: 30 to 60 s.
const HEAD_TICKS: u32 = 2;
/// Nor is a request where none has begun: an hour, since those who call keep connections for later.
const IDLE_TICKS: u32 = 120;

/// Counts how long nothing came.
#[derive(Debug, Default)]
pub struct Quiet {
    timer: Option<Seldom<Pin<Box<Sleep>>>>,
    head: u32,
    idle: u32,
}

/// What has gone on for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooLong {
    /// A head is there in part.
    Head,
    /// There is nothing.
    Idle,
}

// === impl Quiet ===

impl Quiet {
    /// A head has come.
    pub fn heard(&mut self) {
        (self.head, self.idle) = (0, 0);
    }

    /// Waits until it is time to look.
    pub async fn tick(&mut self) {
        self.timer.get_or_insert_with(|| Seldom::new(Box::pin(sleep(TICK)))).await;
        self.timer = None;
    }

    /// Takes note of a tick after which a head is `begun` or not there at all.
    pub fn look(&mut self, begun: bool) -> Option<TooLong> {
        if begun {
            self.head += 1;
            return (self.head >= HEAD_TICKS).then_some(TooLong::Head);
        }
        self.idle += 1;
        (self.idle >= IDLE_TICKS).then_some(TooLong::Idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_may_take_a_minute_and_a_connection_may_be_idle_for_an_hour() {
        let mut quiet = Quiet::default();
        assert_eq!(quiet.look(true), None);
        assert_eq!(quiet.look(true), Some(TooLong::Head));
        quiet.heard();
        for _ in 1..IDLE_TICKS {
            assert_eq!(quiet.look(false), None);
        }
        assert_eq!(quiet.look(false), Some(TooLong::Idle));
    }
}
