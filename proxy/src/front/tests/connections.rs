use tokio::io::AsyncWriteExt;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, timeout};

use super::super::frames::Heard;
use super::*;
use crate::test_util::frame;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const ACK: u8 = 1;

fn seconds(range: std::ops::RangeInclusive<u64>) -> std::ops::RangeInclusive<Duration> {
    Duration::from_secs(*range.start())..=Duration::from_secs(*range.end()) + Duration::from_millis(10)
}

/// What is written by a peer that has nothing to say.
fn greeting() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[]), &frame(SETTINGS, ACK, 0, &[])].concat()
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_asked_to_end_after_half_an_hour_and_has_five_seconds_for_it() {
    LocalSet::new()
        .run_until(async {
            let (hub, began) = (a_hub(), Instant::now());
            let (mut requests, served) = client(&hub, HOUR).await;
            let (response, _out) = open(&mut requests).await;
            let mut body = response.await.unwrap().into_body();
            // The control plane says nothing of its end.
            assert!(read(&mut body).await.is_err());
            served.await.unwrap();
            assert!(seconds(1805..=1985).contains(&began.elapsed()), "{:?}", began.elapsed());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_ends_with_the_certificate_that_opened_it() {
    LocalSet::new()
        .run_until(async {
            let (hub, began) = (a_hub(), Instant::now());
            let (_requests, served) = client(&hub, Duration::from_secs(100)).await;
            served.await.unwrap();
            assert!(seconds(100..=101).contains(&began.elapsed()), "{:?}", began.elapsed());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn who_does_not_begin_http2_is_gone_after_five_seconds() {
    LocalSet::new()
        .run_until(async {
            let (hub, began) = (a_hub(), Instant::now());
            let (mut far, served) = raw(&hub, HOUR);
            far.write_all(&PREFACE[..10]).await.unwrap();
            served.await.unwrap();
            assert!(seconds(5..=5).contains(&began.elapsed()), "{:?}", began.elapsed());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn who_answers_pings_stays_and_who_does_not_is_gone_after_the_second_look() {
    LocalSet::new()
        .run_until(async {
            let (hub, began) = (a_hub(), Instant::now());
            let (_requests, alive) = client(&hub, HOUR).await;
            let (mut silent, served) = raw(&hub, HOUR);
            silent.write_all(&greeting()).await.unwrap();
            served.await.unwrap();
            // What it said counts for the first.
            assert!(seconds(60..=60).contains(&began.elapsed()), "{:?}", began.elapsed());
            sleep(Duration::from_secs(600)).await;
            assert!(!alive.is_finished());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn who_speaks_after_a_ping_and_never_answers_it_is_found_out_too() {
    LocalSet::new()
        .run_until(async {
            let (hub, began) = (a_hub(), Instant::now());
            let (mut far, served) = raw(&hub, HOUR);
            far.write_all(&greeting()).await.unwrap();
            // The ping is sent at 40 s.
            sleep(Duration::from_secs(45)).await;
            far.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
            served.await.unwrap();
            assert!(seconds(100..=100).contains(&began.elapsed()), "{:?}", began.elapsed());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn at_the_end_of_the_control_plane_who_does_not_go_is_cut_off_after_five_seconds() {
    LocalSet::new()
        .run_until(async {
            let hub = a_hub();
            let (mut requests, served) = client(&hub, HOUR).await;
            let (response, _out) = open(&mut requests).await;
            let _body = response.await.unwrap();
            let began = Instant::now();
            hub.hear(Heard::Drain).unwrap();
            served.await.unwrap();
            assert!(seconds(5..=5).contains(&began.elapsed()), "{:?}", began.elapsed());
            let (_, late) = raw(&hub, HOUR);
            timeout(Duration::from_secs(6), late).await.unwrap().unwrap();
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_control_plane_that_is_silent_for_ten_looks_loses_its_proxies_until_it_speaks() {
    LocalSet::new()
        .run_until(async {
            let (hub, began) = (a_hub(), Instant::now());
            let looking = hub.clone();
            spawn_local(async move { looking.look(|| 0).await });
            let (_requests, served) = client(&hub, HOUR).await;
            sleep(Duration::from_secs(5)).await;
            hub.hear(Heard::Beat).unwrap();
            served.await.unwrap();
            assert!(seconds(15..=16).contains(&began.elapsed()), "{:?}", began.elapsed());
            let (mut refused, _) = raw(&hub, HOUR);
            refused.write_all(&greeting()).await.unwrap();
            assert!(hub.course().borrow().is_cut);
            hub.hear(Heard::Beat).unwrap();
            sleep(Duration::from_secs(2)).await;
            let (mut requests, served) = client(&hub, HOUR).await;
            open(&mut requests).await.0.await.unwrap();
            assert!(!served.is_finished());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn streams_come_at_a_rate_and_who_is_refused_again_and_again_is_sent_away() {
    LocalSet::new()
        .run_until(async {
            let hub = a_hub();
            let (mut requests, served) = client(&hub, HOUR).await;
            let mut one = async || {
                let (response, mut out) = open(&mut requests).await;
                let is_served = response.await.is_ok();
                out.send_reset(h2::Reason::CANCEL);
                // The other end has seen it.
                sleep(Duration::from_millis(1)).await;
                is_served
            };
            for number in 0..16 {
                assert!(one().await, "{number}");
            }
            assert!(!one().await);
            sleep(Duration::from_millis(250)).await;
            assert!(one().await && !one().await);
            for _ in 2..31 {
                sleep(Duration::from_millis(1)).await;
                one().await;
            }
            assert!(!served.is_finished());
            one().await;
            timeout(Duration::from_secs(2), served).await.unwrap().unwrap();
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_fifth_stream_at_once_is_refused() {
    LocalSet::new()
        .run_until(async {
            let hub = a_hub();
            let (mut far, _served) = raw(&hub, HOUR);
            far.write_all(&greeting()).await.unwrap();
            // As HPACK writes a POST to another host than ours, without a table.
            let headers = b"\x83\x87\x04\x06/a.B/C\x01\x04weft\x0f\x10\x10application/grpc";
            for stream in [1, 3, 5, 7, 9] {
                far.write_all(&frame(1, 4, stream, headers)).await.unwrap();
            }
            const RST_STREAM: u8 = 3;
            const REFUSED_STREAM: u32 = 7;
            let refused = async {
                loop {
                    let mut head = [0; 9];
                    far.read_exact(&mut head).await.unwrap();
                    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                    let mut bytes = vec![0; length];
                    far.read_exact(&mut bytes).await.unwrap();
                    if head[3] == RST_STREAM {
                        return (head[8], u32::from_be_bytes(bytes.try_into().unwrap()));
                    }
                }
            };
            let refused = timeout(Duration::from_secs(1), refused).await.unwrap();
            assert_eq!(refused, (9, REFUSED_STREAM));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn frames_without_a_message_come_no_faster_than_they_may() {
    LocalSet::new()
        .run_until(async {
            let hub = a_hub();
            for flags in [0, ACK] {
                let (far, served) = raw(&hub, HOUR);
                let (mut from, mut to) = tokio::io::split(far);
                spawn_local(async move { tokio::io::copy(&mut from, &mut sink()).await });
                to.write_all(&greeting()).await.unwrap();
                let began = Instant::now();
                let flood = frame(PING, flags, 0, &[7; 8]).repeat(1024 * 1024 / 17);
                to.write_all(&flood).await.unwrap();
                // All but twice the burst and what the way itself holds.
                assert!(began.elapsed() > Duration::from_secs(15), "{:?}", began.elapsed());
                assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
                assert!(!served.is_finished());
            }
        })
        .await;
}
