//! One connection carries strangers: what one of them does, or leaves undone, concerns nobody else.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use super::super::goaways::Role;
use super::super::{MAX_STREAMS, StreamPermit, count_unread};
use super::*;
use crate::held;

/// A connection with the request that others must not disturb.
async fn asks(connection: &Connection, server: &mut Played) {
    let answered = async {
        let (_, stream, _) = server.next(HEADERS).await;
        server.send(HEADERS, END_HEADERS, stream, &OK).await;
        server.send(DATA, END_STREAM, stream, b"served").await;
    };
    let (answer, ()) = tokio::join!(connection.exchange(get()), answered);
    let body = answer.expect("the connection goes on").into_body();
    assert_eq!(body.collect().await.unwrap().to_bytes(), "served");
}

/// Answers whose bodies have begun and are not read.
async fn begun(connection: &Connection, server: &mut Played, count: usize) -> Vec<(u32, Incoming)> {
    let mut begun = Vec::new();
    for _ in 0..count {
        let answered = async {
            let (_, stream, _) = server.next(HEADERS).await;
            server.send(HEADERS, END_HEADERS, stream, &OK).await;
            stream
        };
        let (answer, stream) = tokio::join!(connection.exchange(get()), answered);
        begun.push((stream, answer.unwrap().into_body()));
    }
    begun
}

#[tokio::test]
async fn small_frames_that_nobody_reads_disturb_nobody_and_all_arrive() {
    run(async {
        let (connection, mut server) = connected(Pinged::No).await;
        let paused = begun(&connection, &mut server, 16).await;
        let message: Vec<u8> = (0..10).collect();
        for (stream, _) in &paused {
            let frames = frame(DATA, 0, *stream, &message).repeat(6_000);
            server.tcp.write_all(&frames).await.unwrap();
        }
        asks(&connection, &mut server).await;
        for (stream, body) in paused {
            server.send(DATA, END_STREAM, stream, b"end").await;
            let all = body.collect().await.unwrap().to_bytes();
            assert!(all[..] == [message.repeat(6_000), b"end".to_vec()].concat());
        }
    })
    .await;
}

#[tokio::test]
async fn a_reader_that_waits_is_woken_though_others_are_looked_after() {
    run(async {
        let (connection, mut server) = connected(Pinged::No).await;
        let mut bodies = begun(&connection, &mut server, 2).await;
        let (waited_for, mut body) = bodies.pop().unwrap();
        let waiting = spawn_local(async move { body.frame().await.unwrap().unwrap().into_data().unwrap() });
        settle().await;
        let frames = frame(DATA, 0, bodies[0].0, b"0123456789").repeat(6_500);
        server.tcp.write_all(&frames).await.unwrap();
        settle().await;
        server.send(DATA, 0, waited_for, b"for you").await;
        assert_eq!(waiting.await.unwrap(), "for you");
    })
    .await;
}

#[tokio::test]
async fn readers_that_pause_leave_the_connection_open_however_many() {
    run(async {
        let (connection, mut server) = connected(Pinged::No).await;
        server.acknowledge_settings().await;
        // As many as may be open, but for the one that is to be served.
        let paused = begun(&connection, &mut server, MAX_STREAMS as usize - 1).await;
        let mut together = server.connection_window;
        for (stream, _) in &paused {
            let part = vec![7; 16 * 1024];
            for _ in 0..server.stream_window / part.len() {
                assert!(together > part.len(), "the window of the connection is used up by {stream}");
                together -= part.len();
                server.send(DATA, 0, *stream, &part).await;
            }
        }
        asks(&connection, &mut server).await;
    })
    .await;
}

#[tokio::test]
async fn where_too_much_is_held_the_stream_that_holds_most_is_given_up() {
    run(async {
        held::allow(512 * 1024);
        let (connection, mut server) = connected(Pinged::No).await;
        server.acknowledge_settings().await;
        let paused = begun(&connection, &mut server, 24).await;
        for (index, (stream, _)) in paused.iter().enumerate() {
            for _ in 0..if index == 0 { 4 } else { 3 } {
                server.send(DATA, 0, *stream, &vec![7; 16 * 1024]).await;
            }
        }
        asks(&connection, &mut server).await;
        assert!(!held::is_too_much());
        let mut broken = Vec::new();
        for (index, (stream, body)) in paused.into_iter().enumerate() {
            let read = spawn_local(body.collect());
            settle().await;
            if !read.is_finished() {
                server.send(DATA, END_STREAM, stream, b"end").await;
            }
            match read.await.unwrap() {
                Ok(whole) => assert_eq!(whole.to_bytes().len(), 48 * 1024 + 3),
                Err(_) => broken.push(index),
            }
        }
        assert!(broken[0] == 0 && (5..15).contains(&broken.len()), "{broken:?}");
        assert_eq!(held::take_given_up(), broken.len());
        asks(&connection, &mut server).await;
    })
    .await;
}

#[tokio::test]
async fn what_nobody_reads_counts_before_it_is_much() {
    run(async {
        held::allow(100 * 1024);
        let mut paused = Vec::new();
        for parts in [1, 3, 2] {
            let (connection, mut server) = connected(Pinged::No).await;
            let (stream, body) = begun(&connection, &mut server, 1).await.remove(0);
            for _ in 0..parts {
                server.send(DATA, 0, stream, &vec![7; 20 * 1024]).await;
            }
            // Read by the time that the next answer is.
            asks(&connection, &mut server).await;
            paused.push((stream, body, server, connection));
        }
        count_unread();
        assert!(!held::is_too_much());
        assert_eq!(held::take_given_up(), 1);
        for (index, (stream, body, server, _)) in paused.iter_mut().enumerate() {
            server.send(DATA, END_STREAM, *stream, b"end").await;
            assert_eq!(body.collect().await.is_err(), index == 1, "{index}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_window_grows_for_a_reader_that_keeps_up() {
    run(async {
        let (connection, mut server) = connected(Pinged::No).await;
        server.acknowledge_settings().await;
        let (stream, mut body) = begun(&connection, &mut server, 1).await.pop().unwrap();
        assert_eq!(server.stream_window, 64 * 1024);
        let reading = spawn_local(async move { while let Some(Ok(_)) = body.frame().await {} });
        for _ in 0..4 {
            server.send(DATA, 0, stream, &vec![7; 16 * 1024]).await;
        }
        server.acknowledge_settings().await;
        assert_eq!(server.stream_window, 512 * 1024);
        reading.abort();
    })
    .await;
}

#[tokio::test]
async fn what_comes_late_for_requests_that_were_taken_back_disturbs_nobody() {
    run(async {
        let (connection, mut server) = connected(Pinged::No).await;
        for _ in 0..30 {
            let asking: Vec<_> = (0..100).map(|_| connection.exchange(get())).collect();
            let mut asking: Vec<_> = asking.into_iter().map(Box::pin).collect();
            for asked in &mut asking {
                assert!(poll_fn(|cx| Poll::Ready(asked.as_mut().poll(cx).is_pending())).await);
            }
            let mut streams = Vec::new();
            for _ in 0..100 {
                streams.push(server.next(HEADERS).await.1);
            }
            drop(asking);
            for stream in streams {
                server.next(RST_STREAM).await;
                server.send(HEADERS, END_HEADERS, stream, &OK).await;
                server.send(DATA, END_STREAM, stream, b"late").await;
            }
        }
        asks(&connection, &mut server).await;
    })
    .await;
}

#[tokio::test]
async fn empty_frames_of_a_server_disturb_nobody() {
    run(async {
        let (connection, mut server) = connected(Pinged::No).await;
        let mut bodies = begun(&connection, &mut server, 1).await;
        let (stream, body) = bodies.pop().unwrap();
        for _ in 0..500 {
            server.send(DATA, 0, stream, b"").await;
        }
        asks(&connection, &mut server).await;
        server.send(DATA, END_STREAM, stream, b"all").await;
        assert_eq!(body.collect().await.unwrap().to_bytes(), "all");
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_is_ended_for_what_its_peer_sent_is_counted_with_the_reason() {
    run(async {
        let goaways = Goaways::default();
        let (mut caller, served) = called_and_counted(|_| pending(), pending(), goaways.clone()).await;
        caller.send(DATA, 0, 0, b"on no stream").await;
        caller.next(GOAWAY).await;
        assert!(served.await.unwrap().is_err());
        assert_eq!(goaways.counted(Role::Server, "protocol-error"), 1);
        let (mut caller, served) = called_and_counted(|_| pending(), pending(), goaways.clone()).await;
        // Faster than they can be accepted: all in one write.
        let opened = (1..).step_by(2).take(300).flat_map(|stream| {
            let reset = frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);
            [frame(HEADERS, END_HEADERS | END_STREAM, stream, &GET), reset].concat()
        });
        caller.tcp.write_all(&opened.collect::<Vec<u8>>()).await.unwrap();
        caller.next(GOAWAY).await;
        assert!(served.await.unwrap().is_err());
        assert_eq!(goaways.counted(Role::Server, "enhance-your-calm"), 1);
    })
    .await;
}

#[tokio::test]
async fn small_parts_that_wait_for_a_window_leave_in_one_frame() {
    run(async {
        let (body, mut source, _alive) = endless().await;
        let (connection, mut server) = connected_without_window().await;
        let request = post(body);
        let _asking = spawn_local(async move { connection.exchange(request).await.map(drop) });
        let (_, stream, _) = server.next(HEADERS).await;
        for part in 0..100 {
            source.send(DATA, 0, 1, &[part; 25]).await;
            yield_now().await;
        }
        settle().await;
        assert!(!server.has_got(DATA).await, "sent without a window");
        server.send(WINDOW_UPDATE, 0, stream, &65_535_u32.to_be_bytes()).await;
        let (_, _, data) = server.next(DATA).await;
        assert_eq!(data, (0..100).flat_map(|part| [part; 25]).collect::<Vec<u8>>());
        source.send(DATA, END_STREAM, 1, b"end").await;
        assert_eq!(server.next(DATA).await.2, b"end");
    })
    .await;
}

/// What was read at once with a small part of a body, as an extension of its chunk is; counted while any part of it is kept.
struct ReadWith(std::sync::Arc<std::sync::atomic::AtomicUsize>, [u8; 4096]);

impl AsRef<[u8]> for ReadWith {
    fn as_ref(&self) -> &[u8] {
        &self.1
    }
}

impl Drop for ReadWith {
    fn drop(&mut self) {
        self.0.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
    }
}

#[tokio::test]
async fn small_parts_that_wait_for_a_window_keep_nothing_that_was_read_with_them() {
    use std::sync::atomic::Ordering;

    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut caller = Played::new(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
        caller.tcp.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        caller.send(SETTINGS, 0, 0, &NO_WINDOW).await;
        caller.send(HEADERS, END_HEADERS | END_STREAM, 1, &GET).await;
        let mut connection = h2::server::handshake(listener.accept().await.unwrap().0).await.unwrap();
        let (_, mut reply) = connection.accept().await.unwrap().unwrap();
        spawn_local(async move { connection.accept().await.is_some() });
        let stream = reply.send_response(Response::new(()), false).unwrap();
        let kept = std::sync::Arc::<std::sync::atomic::AtomicUsize>::default();
        let counted = kept.clone();
        let parts = (0..100).map(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            let read = bytes::Bytes::from_owner(ReadWith(counted.clone(), [7; 4096]));
            Ok::<_, WireError>(http_body::Frame::data(read.slice(..100)))
        });
        let body = parts.collect::<std::collections::VecDeque<_>>();
        spawn_local(Pump::new(Parts(body), stream, false));
        caller.next(HEADERS).await;
        settle().await;
        assert!(!caller.has_got(DATA).await, "sent without a window");
        assert!(kept.load(Ordering::SeqCst) <= 1, "{} reads are kept", kept.load(Ordering::SeqCst));
    })
    .await;
}

/// A body that gives these parts, and then waits.
struct Parts(std::collections::VecDeque<Result<http_body::Frame<bytes::Bytes>, WireError>>);

impl http_body::Body for Parts {
    type Data = bytes::Bytes;
    type Error = WireError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<bytes::Bytes>, WireError>>> {
        self.0.pop_front().map_or(Poll::Pending, |part| Poll::Ready(Some(part)))
    }
}

/// A pool with a connection to a server that takes this many streams.
async fn pooled(pool: &Pool) -> Played {
    let (connection, server) = connected(Pinged::No).await;
    connection.settled().await;
    connection.count(-1);
    pool.dial_ended(Ok((connection, None)));
    server
}

fn trust() -> std::sync::Arc<crate::tls::Trust> {
    crate::test_util::TestCa::new("cluster.local").certs("shop", "web").current().trust.clone()
}

fn take(pool: &Pool) -> StreamPermit {
    match pool.find() {
        Found::Stream(permit) => permit,
        Found::MustDial | Found::Dialing => panic!("there is a connection"),
    }
}

#[tokio::test]
async fn a_connection_that_carries_nothing_ends_and_one_opened_beside_it_sooner() {
    run(async {
        let (pool, trust) = (Pool::default(), trust());
        let (mut first, mut beside) = (pooled(&pool).await, pooled(&pool).await);
        let _stopped = stop_time();
        let kept = take(&pool);
        pool.sweep(&trust);
        advance(Duration::from_secs(6)).await;
        pool.sweep(&trust);
        beside.next(GOAWAY).await;
        assert!(!first.has_got(GOAWAY).await, "it carries something");
        drop(kept);
        pool.sweep(&trust);
        advance(Duration::from_secs(59)).await;
        pool.sweep(&trust);
        settle().await;
        assert!(!first.has_got(GOAWAY).await, "too early");
        advance(Duration::from_secs(3)).await;
        pool.sweep(&trust);
        first.next(GOAWAY).await;
    })
    .await;
}

#[tokio::test]
async fn a_connection_of_age_takes_no_more_and_ends_with_what_it_carries() {
    run(async {
        let (pool, trust) = (Pool::default(), trust());
        let mut server = pooled(&pool).await;
        let _stopped = stop_time();
        for _ in 0..3600 / 50 {
            advance(Duration::from_secs(50)).await;
            drop(take(&pool));
            pool.sweep(&trust);
        }
        let under_way = take(&pool);
        advance(Duration::from_secs(1801)).await;
        pool.sweep(&trust);
        assert!(matches!(pool.find(), Found::MustDial));
        settle().await;
        assert!(!server.has_got(GOAWAY).await, "something is under way");
        drop(under_way);
        server.next(GOAWAY).await;
    })
    .await;
}

#[tokio::test]
async fn where_a_body_is_stuck_others_get_another_connection() {
    run(async {
        let (pool, trust) = (Pool::default(), trust());
        let (body, mut source, _alive) = endless().await;
        let (connection, mut server) = connected_without_window().await;
        connection.count(-1);
        pool.dial_ended(Ok((connection, None)));
        let request = post(body);
        let stuck = take(&pool);
        let asking = spawn_local(async move { stuck.connection().exchange(request).await.map(drop) });
        let (_, stream, _) = server.next(HEADERS).await;
        source.send(DATA, 0, 1, b"stuck").await;
        settle().await;
        for _ in 0..2 {
            drop(take(&pool));
            pool.sweep(&trust);
        }
        assert!(matches!(pool.find(), Found::MustDial));
        // Should that fail, they are better off behind it than refused.
        assert!(pool.any().is_some());
        server.send(WINDOW_UPDATE, 0, stream, &65_535_u32.to_be_bytes()).await;
        server.next(DATA).await;
        pool.sweep(&trust);
        drop(take(&pool));
        asking.abort();
    })
    .await;
}

#[tokio::test]
async fn many_that_wait_are_dialled_for_at_once() {
    run(async {
        let pool = Rc::new(Pool::default());
        assert!(matches!(pool.find(), Found::MustDial));
        for _ in 0..64 {
            assert!(matches!(pool.find(), Found::Dialing));
            let pool = pool.clone();
            spawn_local(async move { pool.dialed().await });
            yield_now().await;
        }
        assert!(matches!(pool.find(), Found::MustDial));
        assert!(matches!(pool.find(), Found::Dialing));
    })
    .await;
}
