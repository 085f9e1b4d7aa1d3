//! What plugin and agent say to each other over a Unix socket that only root can open: one line of JSON each way. With a
//! question comes the descriptor of the pod's network namespace, as the runtime gave it: a path would be looked up again, in
//! another mount namespace and perhaps for another pod.

use std::io::{self, BufRead, BufReader, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use serde::{Deserialize, Serialize};

/// Larger than any question: the arguments of a pod are bounded well below.
const MAX_QUESTION: usize = 16 * 1024;

/// What the agent is asked for.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Question {
    /// Whether the plugin is in place and pods are captured.
    Status,
    /// Program the rules of a pod.
    Capture(Capture),
}

/// A pod whose namespace comes along.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Capture {
    /// `namespace/name`, for messages alone.
    pub pod: String,
    /// What the webhook wrote.
    pub wish: Wish,
    /// What the runtime says are the pod's addresses; the namespace must have them.
    pub addresses: Vec<IpAddr>,
}

/// What of a pod is captured, in the words of its annotation `weft.dev/capture`. Ports and user of the proxy are not in it: nobody but Weft
/// decides those.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wish {
    /// Ports of the pod that callers reach without the proxy, as `22,9102`.
    #[serde(default)]
    pub skip_inbound_ports: String,
    /// Destination ports that the pod reaches without the proxy.
    #[serde(default)]
    pub skip_outbound_ports: String,
}

/// What became of it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// Done, and what was done.
    Done(String),
    /// Not done, and why.
    Refused(String),
}

/// Sends a question, with a namespace if there is one.
pub fn send(stream: &UnixStream, question: &Question, netns: Option<&OwnedFd>) -> io::Result<()> {
    let mut text = serde_json::to_vec(question)?;
    text.push(b'\n');
    if text.len() > MAX_QUESTION {
        return Err(io::Error::other("the question to the agent is too long"));
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = netns.map(|netns| [netns.as_fd()]);
    if let Some(descriptors) = &descriptors {
        control.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    let sent = rustix::net::sendmsg(stream, &[IoSlice::new(&text)], &mut control, SendFlags::NOSIGNAL)?;
    // The descriptor went with the first bytes.
    (&*stream).write_all(&text[sent..])
}

/// Reads a question and what came with it. Descriptors beyond the first are closed.
pub fn receive(stream: &UnixStream) -> io::Result<(Question, Option<OwnedFd>)> {
    let mut text = Vec::new();
    let mut netns = None;
    while !text.ends_with(b"\n") {
        let mut part = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let got = rustix::net::recvmsg(
            stream,
            &mut [IoSliceMut::new(&mut part)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                netns = descriptors.into_iter().next().or(netns);
            }
        }
        if got.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        text.extend_from_slice(&part[..got.bytes]);
        if text.len() > MAX_QUESTION {
            return Err(io::Error::other("the question is too long"));
        }
    }
    Ok((serde_json::from_slice(&text)?, netns))
}

/// Sends the answer.
pub fn reply(mut stream: &UnixStream, answer: &Answer) -> io::Result<()> {
    let mut text = serde_json::to_vec(answer)?;
    text.push(b'\n');
    stream.write_all(&text)
}

/// Waits for the answer, as long as the stream's read timeout.
pub fn answer(stream: &UnixStream) -> io::Result<Answer> {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_descriptor_arrives_with_its_question() {
        let (plugin, agent) = UnixStream::pair().unwrap();
        let netns: OwnedFd = File::open("/proc/self/ns/net").unwrap().into();
        let question = Question::Capture(Capture {
            pod: "shop/web".to_owned(),
            wish: Wish { skip_inbound_ports: "22,".repeat(2_000), ..Wish::default() },
            addresses: vec!["10.244.0.5".parse().unwrap()],
        });
        send(&plugin, &question, Some(&netns)).unwrap();
        let (received, arrived) = receive(&agent).unwrap();
        assert_eq!(received, question);
        let arrived = File::from(arrived.unwrap());
        assert_ne!(arrived.as_raw_fd(), netns.as_raw_fd());
        assert_eq!(arrived.metadata().unwrap().ino(), File::from(netns).metadata().unwrap().ino());
        reply(&agent, &Answer::Done("captured".to_owned())).unwrap();
        assert_eq!(answer(&plugin).unwrap(), Answer::Done("captured".to_owned()));
    }

    #[test]
    fn what_is_no_question_or_has_no_end_is_an_error() {
        for said in [&b"{}\n"[..], b"nonsense\n", b"\"status\"", &[b'x'; MAX_QUESTION + 1]] {
            let (mut plugin, agent) = UnixStream::pair().unwrap();
            plugin.write_all(said).unwrap();
            drop(plugin);
            assert!(receive(&agent).is_err());
        }
    }
}
