//! Programs the rules of one pod: `weft-proxy init`, as the init container would run it, in the pod's network namespace.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::protocol::{Capture, Wish};

/// A list of ports is no longer than this; the webhook has the same bound.
const MAX_PORTS: usize = 4 * 1024;
/// What a program says is read as far as this.
const MAX_SAID: u64 = 8 * 1024;

/// How long the rules may take. The plugin waits for longer.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(2);

/// Captures the pod. Says what was done, or why not.
pub fn capture(pod: &Capture, netns: OwnedFd, program: &Path) -> Result<String, String> {
    let arguments = arguments(&pod.wish)?;
    if is_own_namespace(&netns)? {
        return Err("the namespace is the node's own, in which nothing is captured".to_owned());
    }
    let addresses: Vec<String> = pod.addresses.iter().map(ToString::to_string).collect();
    let mut command = Command::new(program);
    command.arg("init").args(arguments).arg("--expect-addresses").arg(addresses.join(","));
    // What it starts ends with it.
    command.process_group(0);
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

/// What `weft-proxy init` is told. The lists come from an annotation, which whoever writes the pod may have written: they are numbers with
/// commas between them, and whose traffic is captured, and where it goes, is not theirs to say.
fn arguments(wish: &Wish) -> Result<[&str; 4], String> {
    let (inbound, outbound) = (ports(&wish.skip_inbound_ports)?, ports(&wish.skip_outbound_ports)?);
    Ok(["--skip-inbound-ports", inbound, "--skip-outbound-ports", outbound])
}

fn ports(list: &str) -> Result<&str, String> {
    if list.len() > MAX_PORTS {
        return Err(format!("the list of ports is longer than {MAX_PORTS} characters"));
    }
    let is_port = |port: &str| {
        port.parse::<u16>().is_ok_and(|port| port > 0) && port.bytes().all(|byte| byte.is_ascii_digit())
    };
    if list.is_empty() || list.split(',').all(is_port) {
        return Ok(list);
    }
    Err("annotation weft.dev/capture is not what Weft writes".to_owned())
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
                if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                    let _ = kill_process_group(group, Signal::KILL);
                }
                let _ = child.wait();
                return Err(format!("the rules were not in place after {} s", PATIENCE.as_secs()));
            }
            Err(error) => return Err(format!("weft-proxy init was lost: {error}")),
        }
    };
    let said = |pipe: Option<&mut dyn Read>| {
        let mut text = Vec::new();
        // It has ended, and what it says fits into a pipe.
        let _ = pipe.map(|pipe| pipe.take(MAX_SAID).read_to_end(&mut text));
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

    #[test]
    fn lists_are_ports_and_nothing_else() {
        let wish = |inbound: &str, outbound: &str| Wish {
            skip_inbound_ports: inbound.to_owned(),
            skip_outbound_ports: outbound.to_owned(),
        };
        assert!(arguments(&wish("15120,15121,9102", "")).is_ok());
        let too_long = "1,".repeat(MAX_PORTS);
        for wrong in [
            "1-65535",
            "22,",
            ",22",
            "0",
            "65536",
            "+22",
            "--proxy-uid",
            "--help",
            "22 80",
            "22\n80",
            &too_long,
        ] {
            assert!(arguments(&wish(wrong, "")).is_err(), "{wrong}");
            assert!(arguments(&wish("", wrong)).is_err(), "{wrong}");
        }
    }

    /// In a namespace of its own it does what it is told, once more and once more, and leaves nothing open. Needs root, as the agent does.
    #[test]
    fn pods_are_captured_in_their_namespace_and_leave_nothing_behind() {
        let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let name = format!("weft-cni-test-{}", std::process::id());
        let ip = |verb: &str| Command::new("ip").args(["netns", verb, &name]).status().unwrap().success();
        assert!(ip("add"));
        let open = || OwnedFd::from(File::open(format!("/run/netns/{name}")).unwrap());
        let pod = Capture { pod: "shop/web".to_owned(), wish: Wish::default(), addresses: vec![] };
        let before = descriptors();
        // It says which namespace it is in, and what it was told.
        let script = std::env::temp_dir().join(&name);
        std::fs::write(&script, "#!/bin/sh\nreadlink /proc/self/ns/net\necho \"$@\"\n").unwrap();
        std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let own = std::fs::read_link("/proc/self/ns/net").unwrap().display().to_string();
        for _ in 0..100 {
            let said = capture(&pod, open(), &script).unwrap();
            assert!(!said.contains(&own) && said.starts_with("net:["), "{said}");
            assert!(
                said.ends_with("init --skip-inbound-ports  --skip-outbound-ports  --expect-addresses"),
                "{said}"
            );
        }
        assert_eq!(std::fs::read_link("/proc/self/ns/net").unwrap().display().to_string(), own);
        std::fs::remove_file(&script).unwrap();
        assert!(ip("delete"));
        // Other tests have some of theirs.
        assert!(descriptors() <= before + 40, "{} of {before}", descriptors());
    }

    #[test]
    fn the_nodes_own_namespace_is_never_captured() {
        let pod = Capture { pod: "shop/web".to_owned(), wish: Wish::default(), addresses: vec![] };
        let own = File::open("/proc/self/ns/net").unwrap().into();
        assert!(capture(&pod, own, Path::new("/bin/true")).unwrap_err().contains("node's own"));
        let other = File::open("/proc/self/ns/uts").unwrap().into();
        assert!(capture(&pod, other, Path::new("/bin/true")).unwrap_err().contains("cannot enter"));
    }
}
