//! What breaks off is never taken for whole: every form of a message, towards caller and application, broken off at each place
//! by each of those who can, and what the other end sees of it. `docs/protocols.md` says what this table shows.

mod application;
mod callers;
mod cell;
mod lane;

use std::sync::Arc;

use tokio::task::JoinSet;

use self::cell::Cell;
use self::lane::Lane;
use super::harness::World;

/// Cells that run at a time, each through proxies of its own: what is cut is shared with no other.
const LANES: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_off_never_looks_whole() {
    let cells = Arc::new(Cell::all());
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        let (cells, mut lane_of) = (cells.clone(), Lane::start(&World::new(), cells.clone()).await);
        lanes.spawn(async move {
            let mut wrong = Vec::new();
            for cell in cells.iter().skip(lane).step_by(LANES) {
                if let Err(seen) = lane_of.run(cell).await {
                    wrong.push(format!("{cell:?}: {seen}"));
                }
            }
            wrong.extend(lane_of.heard_too_much());
            wrong
        });
    }
    let wrong: Vec<_> = lanes.join_all().await.into_iter().flatten().collect();
    println!("truncation: {} of {} cells right", cells.len() - wrong.len(), cells.len());
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
