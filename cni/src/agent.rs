//! The agent of a node: keeps the plugin in place, and programs the rules of the pods that the plugin brings.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::capture;
use crate::install::{self, Kept, Places};
use crate::protocol::{self, Answer, Question};

/// Pods at once. A node starts a few at a time; the kubelet tries the others again.
const MAX_AT_ONCE: usize = 8;
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

/// Somebody who takes the plugin out again and again lets pods come in between.
const TOO_OFTEN: usize = 3;
const RECENTLY: Duration = Duration::from_secs(30);

fn contested(name: &str) -> String {
    format!(
        "something keeps taking the plugin out of {name}, so that most pods would miss it; with Cilium set cni.exclusive=false"
    )
}

fn keep(places: Places, state: State) {
    thread::spawn(move || {
        let mut put = VecDeque::new();
        loop {
            let now = install::keep(&places).and_then(|Kept { name, was_put }| {
                put.retain(|at: &Instant| at.elapsed() < RECENTLY);
                put.extend(was_put.then(Instant::now));
                if put.len() < TOO_OFTEN { Ok(name) } else { Err(contested(&name)) }
            });
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

/// What takes a place while pods are captured, however that ends.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(places: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Self(Arc::clone(places));
        (places.fetch_add(1, Ordering::AcqRel) < MAX_AT_ONCE).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn serve(listener: &UnixListener, state: &State, program: &Path) {
    let under_way = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // Out of descriptors, most likely: what is under way gives some back.
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        let (state, program, under_way) = (Arc::clone(state), program.to_owned(), Arc::clone(&under_way));
        thread::spawn(move || {
            if let Err(error) = answer(&stream, &state, &program, &under_way) {
                eprintln!("weft-cni: a question was lost: {error}");
            }
        });
    }
}

fn answer(
    stream: &UnixStream,
    state: &State,
    program: &Path,
    under_way: &Arc<AtomicUsize>,
) -> io::Result<()> {
    stream.set_read_timeout(Some(QUESTION_PATIENCE))?;
    let outcome = match protocol::receive(stream)? {
        (Question::Status, _) => match &*state.lock().unwrap_or_else(PoisonError::into_inner) {
            Ok(name) => Ok(format!("ready: pods are captured by {name}")),
            Err(why) => Err(format!("not ready: {why}")),
        },
        (Question::Capture(_), None) => Err("no network namespace came with the question".to_owned()),
        (Question::Capture(pod), Some(netns)) => {
            let Some(_place) = Place::take(under_way) else {
                let why = "too many pods start at once; the kubelet tries it again".to_owned();
                return protocol::reply(stream, &Answer::Refused(why));
            };
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
    use crate::protocol::{Capture, Wish};

    fn descriptors() -> usize {
        fs::read_dir("/proc/self/fd").unwrap().count()
    }

    #[test]
    fn a_thousand_questions_leave_no_descriptor_behind() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("own/agent.sock");
        let listener = listen(&socket).unwrap();
        let state: State = Arc::new(Mutex::new(Ok("10-net.conflist".to_owned())));
        thread::spawn(move || serve(&listener, &state, Path::new("/bin/false")));
        ask(&socket).unwrap();
        let question = || {
            Question::Capture(Capture {
                pod: "shop/web".to_owned(),
                wish: Wish::default(),
                addresses: vec![],
            })
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
        let until = Instant::now() + Duration::from_secs(10);
        // Those of the last question may still be open, and other tests have some of theirs.
        while descriptors() > before + 40 && Instant::now() < until {
            thread::sleep(Duration::from_millis(10));
        }
        assert!(descriptors() <= before + 40, "{} of {before}", descriptors());
    }
}
