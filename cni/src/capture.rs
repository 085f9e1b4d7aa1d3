//! Programs the rules of one pod: `weft-proxy init`, as the init container would run it, in the pod's network namespace.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::protocol::Capture;

/// A pod's arguments are ports and numbers; more than this nobody means.
const MAX_ARGUMENTS: usize = 16;
const MAX_BYTES: usize = 8 * 1024;

/// How long the rules may take. The plugin waits for longer.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(2);

/// Captures the pod. Says what was done, or why not.
pub fn capture(pod: &Capture, netns: OwnedFd, program: &Path) -> Result<String, String> {
    check_arguments(&pod.arguments)?;
    if is_own_namespace(&netns)? {
        return Err("the namespace is the node's own, in which nothing is captured".to_owned());
    }
    let addresses: Vec<String> = pod.addresses.iter().map(ToString::to_string).collect();
    let mut command = Command::new(program);
    command.arg("init").args(&pod.arguments).arg("--expect-addresses").arg(addresses.join(","));
    // A thread of its own enters the namespace and ends: the agent's others stay where they are.
    thread::spawn(move || {
        move_into_link_name_space(netns.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|error| format!("cannot enter the pod's network namespace: {error}"))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("weft-proxy init did not start: {error}"))?;
        finish(child)
    })
    .join()
    .unwrap_or_else(|_| Err("the agent failed; see its log".to_owned()))
}

/// The arguments come from an annotation, which whoever writes the pod may write: they name ports, and nothing else.
fn check_arguments(arguments: &[String]) -> Result<(), String> {
    let known = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase() || matches!(byte, b'-' | b',');
    let bytes: usize = arguments.iter().map(String::len).sum();
    let are_known = arguments.iter().all(|argument| argument.bytes().all(known));
    if arguments.len() <= MAX_ARGUMENTS && bytes <= MAX_BYTES && are_known {
        return Ok(());
    }
    Err("annotation weft.dev/capture is not what Weft writes; recreate the pod and leave the annotation out"
        .to_owned())
}

fn is_own_namespace(netns: &OwnedFd) -> Result<bool, String> {
    let place = |file: File| file.metadata().map(|found| (found.dev(), found.ino()));
    let own = File::open("/proc/self/ns/net").and_then(place);
    let given = netns.try_clone().map(File::from).and_then(place);
    match (own, given) {
        (Ok(own), Ok(given)) => Ok(own == given),
        (Err(error), _) | (_, Err(error)) => Err(format!("cannot tell network namespaces apart: {error}")),
    }
}

/// Waits for the program and reads what it said. One that hangs is ended.
fn finish(mut child: Child) -> Result<String, String> {
    let until = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < until => thread::sleep(LOOK),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("the rules were not in place after {} s", PATIENCE.as_secs()));
            }
            Err(error) => return Err(format!("weft-proxy init was lost: {error}")),
        }
    };
    let said = |pipe: Option<&mut dyn Read>| {
        let mut text = Vec::new();
        // It has ended, and what it says fits into a pipe.
        let _ = pipe.map(|pipe| pipe.take(MAX_BYTES as u64).read_to_end(&mut text));
        String::from_utf8_lossy(&text).trim().to_owned()
    };
    if status.success() {
        return Ok(said(child.stdout.as_mut().map(|pipe| pipe as &mut dyn Read)));
    }
    Err(said(child.stderr.as_mut().map(|pipe| pipe as &mut dyn Read)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn arguments_are_ports_and_nothing_else() {
        assert!(
            check_arguments(&strings(&["--outbound-port", "15101", "--skip-inbound-ports", "22,80-90"]))
                .is_ok()
        );
        assert!(check_arguments(&[]).is_ok());
        for wrong in [
            strings(&["--x=/etc/passwd"]),
            strings(&["a b"]),
            strings(&["1;2"]),
            vec!["1".repeat(MAX_BYTES + 1)],
            vec!["1".to_owned(); MAX_ARGUMENTS + 1],
        ] {
            assert!(check_arguments(&wrong).unwrap_err().contains("weft.dev/capture"));
        }
    }

    #[test]
    fn the_nodes_own_namespace_is_never_captured() {
        let pod = Capture { pod: "shop/web".to_owned(), arguments: vec![], addresses: vec![] };
        let own = File::open("/proc/self/ns/net").unwrap().into();
        assert!(capture(&pod, own, Path::new("/bin/true")).unwrap_err().contains("node's own"));
        let other = File::open("/proc/self/ns/uts").unwrap().into();
        assert!(capture(&pod, other, Path::new("/bin/true")).unwrap_err().contains("cannot enter"));
    }
}
