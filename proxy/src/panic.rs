//! A panic ends the process, in every build: see ADR 13. The kubelet starts it again; a worker that went on with half-changed
//! counters would be worse.

use std::panic;
use std::process;

/// Makes every panic of this process its end, with the usual message. To be called first.
pub fn ends_the_process() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        tell(info);
        process::abort();
    }));
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    const CHILD: &str = "WEFT_TEST_PANICS";

    /// The test is the process that panics, too: it starts itself once more.
    #[test]
    #[allow(
        clippy::disallowed_methods,
        reason = "the process that is to panic knows itself by the environment"
    )]
    fn a_panic_on_any_thread_ends_the_process_and_says_where_it_was() {
        if std::env::var_os(CHILD).is_some() {
            ends_the_process();
            let worker = std::thread::spawn(|| panic!("a worker failed"));
            // Were the panic only the thread's end, this would be a success.
            drop(worker.join());
            process::exit(0);
        }
        let this = std::env::current_exe().unwrap();
        let name = "panic::tests::a_panic_on_any_thread_ends_the_process_and_says_where_it_was";
        let child =
            Command::new(this).args(["--exact", name, "--nocapture"]).env(CHILD, "1").output().unwrap();
        let told = String::from_utf8_lossy(&child.stderr);
        assert_eq!(child.status.signal(), Some(6), "SIGABRT, not {:?}: {told}", child.status);
        assert!(told.contains("a worker failed") && told.contains("panic.rs:"), "{told}");
    }
}
