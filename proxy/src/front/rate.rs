//! So many at once, and then one every so often.

use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug)]
pub struct Rate {
    burst: u32,
    every: Duration,
    full_at: Instant,
}

/// A rate of lines of the log: what a peer does again and again fills no disk.
#[derive(Debug)]
pub struct Sampler {
    rate: Rate,
    omitted: u64,
}

// === impl Rate ===

impl Rate {
    pub fn new(burst: u32, every: Duration) -> Self {
        Self { burst, every, full_at: Instant::now() }
    }

    /// Whether there may be one more now.
    pub fn take(&mut self) -> bool {
        let now = Instant::now();
        let full_at = self.full_at.max(now) + self.every;
        let fits = full_at.duration_since(now) <= self.every * self.burst;
        if fits {
            self.full_at = full_at;
        }
        fits
    }
}

// === impl Sampler ===

impl Sampler {
    pub fn new(burst: u32, every: Duration) -> Self {
        Self { rate: Rate::new(burst, every), omitted: 0 }
    }

    /// Whether to write a line, and how many were left out before it.
    pub fn take(&mut self) -> Option<u64> {
        if self.rate.take() {
            return Some(std::mem::take(&mut self.omitted));
        }
        self.omitted += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_then_one_at_a_time_and_the_next_line_says_how_many_were_left_out() {
        let mut sampler = Sampler::new(3, Duration::from_secs(10));
        let taken: Vec<_> = (0..100).map(|_| sampler.take()).collect();
        assert_eq!(taken[..4], [Some(0), Some(0), Some(0), None]);
        assert!(taken[3..].iter().all(Option::is_none));
        advance(Duration::from_secs(10)).await;
        assert_eq!([sampler.take(), sampler.take()], [Some(97), None]);
    }
}
