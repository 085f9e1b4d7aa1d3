//! The data plane of Weft: a proxy beside every workload. `app` is the composition root; start reading there.

pub mod names;
pub mod wire;
