//! Stand-ins for what is at either end of a connection: listeners that say who they are, and a client that reads it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use weft_proxy::socket;

use super::netns::{APPLICATION, PROXY, Pod, Running};

/// Nothing here takes this long unless it is broken.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// An application that answers `application <address it was called at>`.
pub fn application(pod: &Pod, port: u16) -> Running {
    pod.start(APPLICATION, move |started| async move {
        let listeners = vec![socket::listen_everywhere(port).unwrap()];
        answer(listeners, started, |stream| {
            format!("application {}", socket::canonical(stream.local_addr().unwrap()))
        })
        .await;
    })
}

/// Both listeners of a proxy; they answer `outbound|inbound <original destination>` and pass nothing on.
pub fn listeners(pod: &Pod) -> Vec<Running> {
    let outbound = pod.start(PROXY, |started| async move {
        answer(socket::listen_loopback(15101).unwrap(), started, |stream| {
            format!("outbound {}", socket::original_destination(stream).unwrap())
        })
        .await;
    });
    let inbound = pod.start(PROXY, |started| async move {
        answer(vec![socket::listen_everywhere(15106).unwrap()], started, |stream| {
            format!("inbound {}", socket::original_destination(stream).unwrap())
        })
        .await;
    });
    vec![outbound, inbound]
}

/// Calls `address` from inside `pod` as `uid`, and says who answered.
pub fn call(pod: &Pod, uid: u32, address: SocketAddr) -> io::Result<String> {
    pod.run(uid, || async move { read_answer(TcpStream::connect(address).await?).await })
}

/// Everything the other end says.
pub async fn read_answer(mut stream: TcpStream) -> io::Result<String> {
    let mut said = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut said)).await??;
    Ok(said)
}

async fn answer(
    listeners: Vec<std::net::TcpListener>,
    started: oneshot::Sender<()>,
    say: impl Fn(&TcpStream) -> String + Copy + 'static,
) {
    let local = tokio::task::LocalSet::new();
    for listener in listeners {
        let listener = TcpListener::from_std(listener).unwrap();
        local.spawn_local(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let answer = say(&stream);
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
    }
    started.send(()).unwrap();
    local.await;
}
