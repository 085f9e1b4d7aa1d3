//! Who reads what this half says about failures.

use crate::http::rescue::Reader;
use crate::worker::ground::Worker;

/// The pod's own application, or the callers of an ingress controller, who are strangers.
pub(super) fn reader(worker: &Worker) -> Reader {
    match worker.own_pod.current().ingress_mode {
        true => Reader::Caller,
        false => Reader::Application,
    }
}
