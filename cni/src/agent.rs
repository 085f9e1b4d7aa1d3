//! The agent of a node: keeps the plugin in place, and programs the rules of the pods that the plugin brings.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::capture;
use crate::install::{self, Places};
use crate::protocol::{self, Answer, Question};

/// Pods at once. A node starts a few at a time; the kubelet tries the others again.
const MAX_AT_ONCE: usize = 32;
/// How long a question may take to arrive. Only root can connect.
const QUESTION_PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_secs(1);

/// Whether the plugin is in place: the name of the configuration that has it, or what stands in the way.
type State = Arc<Mutex<Result<String, String>>>;

/// Serves this node until it is ended. The plugin stays when it is.
pub fn run(places: &Places, program: &Path) -> Result<(), String> {
    let listener = listen(&places.socket).map_err(|error| format!("{}: {error}", places.socket.display()))?;
    println!("weft-cni: listening on {}", places.socket.display());
    let state: State = Arc::new(Mutex::new(Err("the agent has just started".to_owned())));
    keep(places.clone(), Arc::clone(&state));
    serve(&listener, &state, program);
    Ok(())
}

/// Asks the agent of this node whether it captures, and prints what it says.
pub fn ask(socket: &Path) -> Result<(), String> {
    let asked = UnixStream::connect(socket).and_then(|stream| {
        stream.set_read_timeout(Some(QUESTION_PATIENCE))?;
        protocol::send(&stream, &Question::Status, None)?;
        protocol::answer(&stream)
    });
    match asked {
        Ok(Answer::Done(what)) => {
            println!("{what}");
            Ok(())
        }
        Ok(Answer::Refused(why)) => Err(why),
        Err(error) => Err(format!("the agent does not answer on {}: {error}", socket.display())),
    }
}

/// Nobody but root reaches the socket: whoever does may have rules programmed.
fn listen(socket: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = socket.parent() {
        fs::create_dir_all(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(socket)
}

fn keep(places: Places, state: State) {
    thread::spawn(move || {
        loop {
            let now = install::keep(&places);
            let mut known = state.lock().unwrap_or_else(PoisonError::into_inner);
            if *known != now {
                match &now {
                    Ok(name) => println!("weft-cni: pods are captured by {name}"),
                    Err(why) => eprintln!("weft-cni: pods are not captured: {why}"),
                }
                *known = now;
            }
            drop(known);
            thread::sleep(LOOK);
        }
    });
}

fn serve(listener: &UnixListener, state: &State, program: &Path) {
    let under_way = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // Out of descriptors, most likely: what is under way gives some back.
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        if under_way.fetch_add(1, Ordering::AcqRel) >= MAX_AT_ONCE {
            under_way.fetch_sub(1, Ordering::AcqRel);
            let _ = protocol::reply(
                &stream,
                &Answer::Refused("too many pods start at once; it is tried again".to_owned()),
            );
            continue;
        }
        let (state, program, under_way) = (Arc::clone(state), program.to_owned(), Arc::clone(&under_way));
        thread::spawn(move || {
            if let Err(error) = answer(&stream, &state, &program) {
                eprintln!("weft-cni: a question was lost: {error}");
            }
            under_way.fetch_sub(1, Ordering::AcqRel);
        });
    }
}

fn answer(stream: &UnixStream, state: &State, program: &Path) -> io::Result<()> {
    stream.set_read_timeout(Some(QUESTION_PATIENCE))?;
    let outcome = match protocol::receive(stream)? {
        (Question::Status, _) => match &*state.lock().unwrap_or_else(PoisonError::into_inner) {
            Ok(name) => Ok(format!("ready: pods are captured by {name}")),
            Err(why) => Err(format!("not ready: {why}")),
        },
        (Question::Capture(_), None) => Err("no network namespace came with the question".to_owned()),
        (Question::Capture(pod), Some(netns)) => {
            let outcome = capture::capture(&pod, netns, program);
            match &outcome {
                Ok(what) => println!("weft-cni: {}: {what}", pod.pod),
                Err(why) => eprintln!("weft-cni: {} does not start: {why}", pod.pod),
            }
            outcome
        }
    };
    protocol::reply(stream, &outcome.map_or_else(Answer::Refused, Answer::Done))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::OwnedFd;

    use super::*;
    use crate::protocol::Capture;

    fn descriptors() -> usize {
        fs::read_dir("/proc/self/fd").unwrap().count()
    }

    #[test]
    fn a_thousand_pods_leave_no_descriptor_behind() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("own/agent.sock");
        let listener = listen(&socket).unwrap();
        let state: State = Arc::new(Mutex::new(Ok("10-net.conflist".to_owned())));
        thread::spawn(move || serve(&listener, &state, Path::new("/bin/false")));
        ask(&socket).unwrap();
        let question = || {
            Question::Capture(Capture { pod: "shop/web".to_owned(), arguments: vec![], addresses: vec![] })
        };
        let before = descriptors();
        for _ in 0..1_000 {
            let stream = UnixStream::connect(&socket).unwrap();
            let netns: OwnedFd = File::open("/proc/self/ns/net").unwrap().into();
            protocol::send(&stream, &question(), Some(&netns)).unwrap();
            assert!(
                matches!(protocol::answer(&stream).unwrap(), Answer::Refused(why) if why.contains("node's own"))
            );
        }
        let until = std::time::Instant::now() + Duration::from_secs(10);
        // Those of the last question may still be open, and other tests have some of theirs.
        while descriptors() > before + 40 && std::time::Instant::now() < until {
            thread::sleep(Duration::from_millis(10));
        }
        assert!(descriptors() <= before + 40, "{} of {before}", descriptors());
    }
}
