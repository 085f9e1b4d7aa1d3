use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, timeout};

use super::super::frames::{Heard, Status};
use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MESSAGE: u8 = 0;

fn ok() -> Status {
    Status { code: 0, text: String::new() }
}

#[tokio::test(start_paused = true)]
async fn a_message_must_be_whole_within_ten_seconds_and_may_wait_for_its_beginning_for_longer() {
    LocalSet::new()
        .run_until(async {
            let hub = a_hub();
            let (mut requests, _served) = client(&hub, HOUR).await;
            let (response, mut out) = open(&mut requests).await;
            let mut body = response.await.unwrap().into_body();
            sleep(Duration::from_secs(60)).await;
            send(&mut out, grpc(b"one")).await.unwrap();
            hub.hear(Heard::ReadOn(1, 1024)).unwrap();
            sleep(Duration::from_secs(60)).await;
            let began = Instant::now();
            let trickle = async {
                for byte in grpc(&[7; 100]) {
                    send(&mut out, Bytes::from(vec![byte])).await?;
                    sleep(SECOND).await;
                }
                Ok::<_, h2::Error>(())
            };
            let status = tokio::select! {
                status = read(&mut body) => status.unwrap().1,
                _ = trickle => panic!("a message may come a byte a second"),
            };
            assert_eq!(status, "4");
            assert!((10..=11).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_by_the_deadline_of_its_client() {
    LocalSet::new()
        .run_until(async {
            let hub = a_hub();
            let (mut requests, _served) = client(&hub, HOUR).await;
            poll_fn(|cx| requests.poll_ready(cx)).await.unwrap();
            let mut request = a_request();
            request.headers_mut().insert("grpc-timeout", "3S".parse().unwrap());
            let (response, _out) = requests.send_request(request, false).unwrap();
            let began = Instant::now();
            let mut body = response.await.unwrap().into_body();
            assert_eq!(read(&mut body).await.unwrap().1, "4");
            assert_eq!(began.elapsed().as_secs(), 3);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_still_sends_when_its_stream_ends_hears_no_error_and_reads_all_however_late() {
    LocalSet::new()
        .run_until(async {
            let hub = a_hub();
            let (mut requests, _served) = client(&hub, HOUR).await;
            // The place of each stream is free again as soon as it has ended.
            for stream in 1..=12 {
                let (response, mut out) = open(&mut requests).await;
                let mut body = response.await.unwrap().into_body();
                hub.hear(Heard::Message(stream, grpc(&[7; 15_000]))).unwrap();
                hub.hear(Heard::Ended(stream, ok())).unwrap();
                sleep(SECOND).await;
                assert_eq!(read(&mut body).await.unwrap(), (15_005, "0".to_owned()));
                let reason = timeout(SECOND, poll_fn(|cx| out.poll_reset(cx))).await.unwrap();
                assert_eq!(reason.unwrap(), h2::Reason::NO_ERROR);
            }
        })
        .await;
}

/// A window that is closed when the stream ends is opened later.
#[tokio::test(start_paused = true)]
async fn what_a_slow_client_has_not_read_at_the_end_it_reads_later() {
    LocalSet::new()
        .run_until(async {
            let hub = a_hub();
            let (far, _served) = raw(&hub, HOUR);
            let (mut requests, connection) = h2::client::Builder::new()
                .initial_window_size(1000)
                .handshake::<_, Bytes>(far)
                .await
                .unwrap();
            spawn_local(async move { drop(connection.await) });
            let (response, _out) = open(&mut requests).await;
            let mut body = response.await.unwrap().into_body();
            hub.hear(Heard::Message(1, grpc(&[7; 15_000]))).unwrap();
            hub.hear(Heard::Ended(1, ok())).unwrap();
            sleep(3 * SECOND).await;
            assert_eq!(read(&mut body).await.unwrap(), (15_005, "0".to_owned()));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn small_messages_beyond_the_pace_wait_and_send_nobody_away() {
    LocalSet::new()
        .run_until(async {
            let hub = a_hub();
            let (mut requests, served) = client(&hub, HOUR).await;
            let (response, mut out) = open(&mut requests).await;
            let _body = response.await.unwrap();
            hub.hear(Heard::ReadOn(1, 1024)).unwrap();
            let began = Instant::now();
            for _ in 0..3_000 {
                send(&mut out, grpc(&[7; 60])).await.unwrap();
            }
            assert!((10..=15).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
            assert!(!served.is_finished());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn when_both_directions_were_full_everything_arrives_in_the_end() {
    LocalSet::new()
        .run_until(async {
            let hub = Rc::new(Hub::new(&settings(), &certificates(&TestCa::new("cluster.local"))).unwrap());
            let (near, mut far) = duplex(1024);
            let outbox = hub.clone();
            spawn_local(async move { outbox.outbox.write_to(near).await });
            let (mut requests, served) = client(&hub, HOUR).await;
            let (response, mut out) = open(&mut requests).await;
            let mut body = response.await.unwrap().into_body();
            hub.hear(Heard::ReadOn(1, 1024 * 1024)).unwrap();
            // Beyond its credit the control plane sends nothing.
            hub.hear(Heard::Message(1, grpc(&[7; 15_000]))).unwrap();
            hub.hear(Heard::Message(1, grpc(&[7; 500_000]))).unwrap();
            let sender = spawn_local(async move {
                for number in 0..64_u8 {
                    send(&mut out, grpc(&[number; 100_000])).await.unwrap();
                }
                out
            });
            sleep(Duration::from_secs(30)).await;
            // Nobody reads on either side: what waits is bounded, and nobody is sent away.
            assert!(!sender.is_finished() && !served.is_finished());
            assert!(timeout(SECOND, hub.outbox.room()).await.is_err());
            let all = async {
                let mut messages = 0_u8;
                while messages < 64 {
                    let (_, kind, bytes) = heard(&mut far).await;
                    if kind == MESSAGE {
                        assert_eq!((bytes.len(), bytes[0]), (100_000, messages));
                        messages += 1;
                    }
                }
                hub.hear(Heard::Ended(1, ok())).unwrap();
                std::future::pending::<()>().await
            };
            let read = tokio::select! {
                read = read(&mut body) => read.unwrap(),
                () = all => unreachable!(),
            };
            assert_eq!(read, (15_005 + 500_005, "0".to_owned()));
        })
        .await;
}
