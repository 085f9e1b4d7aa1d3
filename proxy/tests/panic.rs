//! What a panic does to the program as it is built, in whatever profile: see `docs/adr/0013-what-a-panic-does.md`. `WEFT_PROGRAM` names
//! another build of it when this is compiled.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::OpenOptions;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

const PROGRAM: &str = match option_env!("WEFT_PROGRAM") {
    Some(program) => program,
    None => env!("CARGO_BIN_EXE_weft-proxy"),
};

/// The one panic that can be had from outside: what is printed cannot be written.
#[test]
fn a_panic_ends_the_program_with_an_abort_and_says_where_it_was() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ended = Command::new(PROGRAM).arg("--version").stdout(Stdio::from(full)).output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.signal(), Some(6), "SIGABRT, not {:?}: {told}", ended.status);
    assert!(told.contains("panicked at") && told.contains(".rs:"), "{told}");
}
