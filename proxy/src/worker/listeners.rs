//! Accepting connections, and sharing them out evenly among the workers.
//!
//! Every worker listens on the same ports, and the kernel spreads connections over its sockets by a hash. That is even
//! for many connections and a coin flip for few, and few is the rule between two proxies, where one HTTP/2 connection
//! carries everything: when two busy ones meet the same worker, the other has nothing to do. So whoever accepts a
//! connection hands it to the worker that has fewest open, as Envoy's "exact" connection balance does. With one
//! worker there is nothing to choose.

use std::io;
use std::net::{TcpListener as StdListener, TcpStream as StdStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::spawn_local;

use crate::socket;

/// How long to wait when the process has run out of sockets.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);
/// Connections that may wait for a worker to take them; one that is so far behind gets no more.
const HANDED: usize = 64;

/// The sockets on which one worker takes connections of one direction, and its lines to the workers beside it.
#[derive(Debug)]
pub struct Listeners {
    sockets: Vec<StdListener>,
    seat: Seat,
    handed: Receiver<Handed>,
}

/// The place of one worker among all that take the same connections.
#[derive(Clone, Debug)]
struct Seat {
    own: usize,
    workers: Arc<[Load]>,
}

/// What workers know of each other. They look only when a connection comes or goes, never for a request, and whoever looks
/// a moment too early puts one connection beside the best place.
#[derive(Debug)]
struct Load {
    /// Connections that are open now.
    open: AtomicUsize,
    line: Sender<Handed>,
}

/// A connection on its way to another worker.
type Handed = (StdStream, Open);

/// Counts one connection as open until dropped.
#[derive(Debug)]
struct Open {
    seat: Seat,
}

// === impl Listeners ===

impl Listeners {
    /// For each worker those of its sockets, which are non-blocking.
    pub fn shared(workers: Vec<Vec<StdListener>>) -> Vec<Self> {
        let (lines, handed): (Vec<_>, Vec<_>) = workers.iter().map(|_| mpsc::channel(HANDED)).unzip();
        let loads: Arc<[_]> =
            lines.into_iter().map(|line| Load { open: AtomicUsize::new(0), line }).collect();
        workers
            .into_iter()
            .zip(handed)
            .enumerate()
            .map(|(own, (sockets, handed))| Self {
                sockets,
                seat: Seat { own, workers: loads.clone() },
                handed,
            })
            .collect()
    }

    /// Those of the only worker.
    pub fn alone(sockets: Vec<StdListener>) -> Self {
        Self::shared(vec![sockets]).swap_remove(0)
    }

    /// The ports it listens on.
    pub fn ports(&self) -> io::Result<Vec<u16>> {
        self.sockets.iter().map(|socket| Ok(socket.local_addr()?.port())).collect()
    }

    /// Takes connections for ever, in tasks of the calling worker's runtime, where each is handled in a task of its own.
    pub fn serve<F>(self, handle: impl Fn(TcpStream) -> F + Clone + 'static) -> io::Result<()>
    where
        F: Future<Output = ()> + 'static,
    {
        let Self { sockets, seat, mut handed } = self;
        let open = move |tcp, counted: Open| {
            let handle = handle.clone();
            spawn_local(async move {
                // Not made before: a future that is moved into another one is held twice.
                handle(tcp).await;
                drop(counted);
            });
        };
        for socket in sockets {
            spawn_local(accept(TcpListener::from_std(socket)?, seat.clone(), open.clone()));
        }
        spawn_local(async move {
            while let Some((tcp, counted)) = handed.recv().await {
                match TcpStream::from_std(tcp) {
                    Ok(tcp) => open(tcp, counted),
                    Err(error) => tracing::warn!(%error, "a connection another worker accepted was lost"),
                }
            }
        });
        Ok(())
    }
}

/// Accepts for ever. A connection that is gone before it is accepted, and a lack of sockets, are no reason to stop.
async fn accept(listener: TcpListener, seat: Seat, open: impl Fn(TcpStream, Open)) {
    loop {
        match listener.accept().await {
            Ok((tcp, _)) => {
                if let Err(error) = socket::tune(&tcp).and_then(|()| seat.give(tcp, &open)) {
                    tracing::debug!(%error, "an accepted connection was gone already");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept; trying again in {ACCEPT_BACKOFF:?}");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

// === impl Seat ===

impl Seat {
    /// Opens the connection here, or hands it to the worker that should have it.
    fn give(&self, tcp: TcpStream, open: impl Fn(TcpStream, Open)) -> io::Result<()> {
        let chosen = self.choose();
        if chosen != self.own
            && let Ok(place) = self.workers[chosen].line.try_reserve()
        {
            place.send((tcp.into_std()?, self.count(chosen)));
        } else {
            open(tcp, self.count(self.own));
        }
        Ok(())
    }

    /// One more connection of `worker`.
    fn count(&self, worker: usize) -> Open {
        self.workers[worker].open.fetch_add(1, Ordering::Relaxed);
        Open { seat: Self { own: worker, workers: self.workers.clone() } }
    }

    /// Who has fewest open; of those this one.
    fn choose(&self) -> usize {
        let order = |&worker: &usize| (self.workers[worker].open.load(Ordering::Relaxed), worker != self.own);
        (0..self.workers.len()).min_by_key(order).unwrap_or(self.own)
    }
}

// === impl Open ===

impl Drop for Open {
    fn drop(&mut self) {
        self.seat.workers[self.seat.own].open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::runtime::{Builder, LocalOptions};

    use super::*;
    use crate::test_util::eventually;

    /// Workers on threads of their own, each of which says its number on every connection and keeps it until it is closed.
    async fn start(workers: usize) -> (SocketAddr, Seat) {
        let first = socket::listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let mut sockets = vec![vec![first]];
        sockets.resize_with(workers, || vec![socket::listen(address).unwrap()]);
        let listeners = Listeners::shared(sockets);
        let seat = listeners[0].seat.clone();
        for (number, listeners) in (0_u8..).zip(listeners) {
            std::thread::spawn(move || {
                let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
                runtime.unwrap().block_on(async {
                    let say = move |mut tcp: TcpStream| async move {
                        tcp.write_all(&[number]).await.unwrap();
                        let _ = tcp.read_u8().await;
                    };
                    listeners.serve(say).unwrap();
                    std::future::pending::<()>().await;
                });
            });
        }
        (address, seat)
    }

    async fn dial(address: SocketAddr) -> (TcpStream, usize) {
        let mut tcp = TcpStream::connect(address).await.unwrap();
        let worker = tcp.read_u8().await.unwrap();
        (tcp, worker.into())
    }

    fn open(seat: &Seat) -> Vec<usize> {
        seat.workers.iter().map(|load| load.open.load(Ordering::Relaxed)).collect()
    }

    #[tokio::test]
    async fn few_connections_are_spread_as_evenly_as_many() {
        let (address, seat) = start(3).await;
        // By the hash alone two of nine such threes would be even.
        for _ in 0..20 {
            let mut held = Vec::new();
            for _ in 0..3 {
                held.push(dial(address).await);
            }
            let mut workers: Vec<_> = held.iter().map(|(_, worker)| *worker).collect();
            workers.sort_unstable();
            assert_eq!(workers, [0, 1, 2]);
            drop(held);
            eventually("all are closed", || (open(&seat) == [0, 0, 0]).then_some(())).await;
        }
    }

    #[tokio::test]
    async fn whoever_lost_connections_gets_the_next_ones() {
        let (address, seat) = start(2).await;
        let mut held = Vec::new();
        for _ in 0..20 {
            held.push(dial(address).await);
        }
        assert_eq!(open(&seat), [10, 10]);
        held.retain(|(_, worker)| *worker == 0);
        eventually("those of one worker are closed", || (open(&seat) == [10, 0]).then_some(())).await;
        for _ in 0..10 {
            let (tcp, worker) = dial(address).await;
            assert_eq!(worker, 1);
            held.push((tcp, worker));
        }
        assert_eq!(open(&seat), [10, 10]);
    }

    #[tokio::test]
    async fn a_worker_that_does_not_take_what_it_is_handed_gets_no_more() {
        let sockets = || vec![socket::listen("127.0.0.1:0".parse().unwrap()).unwrap()];
        let mut listeners = Listeners::shared(vec![sockets(), Vec::new()]);
        let _stuck = listeners.pop();
        let listeners = listeners.remove(0);
        let (seat, address) = (listeners.seat.clone(), listeners.sockets[0].local_addr().unwrap());
        tokio::task::LocalSet::new()
            .run_until(async {
                listeners
                    .serve(|tcp| async move {
                        std::future::pending::<()>().await;
                        drop(tcp)
                    })
                    .unwrap();
                let mut held = Vec::new();
                for _ in 0..3 * HANDED {
                    held.push(TcpStream::connect(address).await.unwrap());
                }
                let accepted = || (open(&seat).iter().sum::<usize>() == 3 * HANDED).then_some(());
                eventually("all are accepted", accepted).await;
                assert_eq!(open(&seat), [2 * HANDED, HANDED]);
            })
            .await;
    }
}
