//! The loop over the stages of a plan, for both halves.

use super::Asked;
use super::plan::{Judged, Stage, Turn};

/// One half of the proxy, while it asks its stages about one request.
pub(crate) trait Judge {
    /// What `stage` says of the request.
    fn ask<'a>(&'a mut self, stage: Stage, asked: &'a mut Asked) -> Turn<'a>;
}

// === impl Asked ===

impl Asked {
    /// Has `judge` ask `stages` in their order, until one has another answer than to go on. An error: the request goes nowhere.
    pub async fn judged_by(&mut self, judge: &mut impl Judge, stages: &[Stage]) -> Result<(), Judged> {
        for stage in stages.iter().copied() {
            let would_refuse = match judge.ask(stage, self) {
                Turn::Go => None,
                Turn::Wait(turn) => {
                    turn.await.map_err(|failure| Judged::Refused(stage, failure))?;
                    None
                }
                Turn::Answer(response) => return Err(Judged::Answered(stage, response)),
                Turn::Refuse(failure) => return Err(Judged::Refused(stage, failure)),
                Turn::WouldRefuse(reason) => Some(reason),
            };
            if let Some(reason) = would_refuse {
                self.record.would_refuse(stage.name(), reason);
            }
            self.record.passed(stage.name());
        }
        Ok(())
    }
}
