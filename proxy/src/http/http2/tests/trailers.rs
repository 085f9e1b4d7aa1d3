//! Trailers that are too long. h2 leaves out of them what is too much, so each case is one in which what is left is short.

use super::*;

const CONTINUATION: u8 = 9;

/// A field as HPACK has it that is in no table, its value so long.
fn field(name: &str, length: usize) -> Vec<u8> {
    let mut length_code = vec![0x7f];
    let mut rest = length - 127;
    while rest >= 128 {
        length_code.push((rest % 128) as u8 | 0x80);
        rest /= 128;
    }
    length_code.push(rest as u8);
    [&[0, name.len() as u8], name.as_bytes(), &length_code, &vec![b'v'; length]].concat()
}

/// The fields in frames of this length.
async fn send_trailers(peer: &mut Played, stream: u32, fields: &[Vec<u8>], frame: usize) {
    let fields = fields.concat();
    let parts: Vec<_> = fields.chunks(frame).collect();
    for (index, part) in parts.iter().enumerate() {
        let ends = if index + 1 == parts.len() { END_HEADERS } else { 0 };
        let (kind, flags) = if index == 0 { (HEADERS, END_STREAM | ends) } else { (CONTINUATION, ends) };
        peer.send(kind, flags, stream, part).await;
    }
}

/// Fields, and whether they pass: those of a response.
fn responses() -> [(Vec<Vec<u8>>, bool); 5] {
    let short = || field("x-short", 200);
    [
        (vec![short()], true),
        (vec![field("x-long", 250 * 1024), short()], true),
        (vec![field("x-long", 300 * 1024)], false),
        (vec![field("x-long", 1100 * 1024)], false),
        (vec![short(), field("x-long", 1100 * 1024), short()], false),
    ]
}

#[tokio::test]
async fn a_response_whose_trailers_are_too_long_breaks_off_even_where_what_is_left_of_them_is_short() {
    run(async {
        for (index, (fields, passes)) in responses().into_iter().enumerate() {
            let (body, mut server, _connection) = endless().await;
            let sending = async {
                server.send(DATA, 0, 1, b"data").await;
                send_trailers(&mut server, 1, &fields, 200 * 1024).await;
            };
            let (got, ()) = tokio::join!(body.collect(), sending);
            match got {
                Ok(got) => assert!(passes && got.trailers().is_some(), "case {index} looks whole"),
                Err(error) => {
                    assert!(!passes && matches!(error, WireError::TrailersTooLong), "{index}: {error}")
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_upload_whose_trailers_are_too_long_breaks_off_too() {
    run(async {
        let short = || field("x-short", 200);
        for (index, (fields, passes)) in [
            (vec![field("x-long", 15 * 1024), short()], true),
            (vec![field("x-long", 20 * 1024)], false),
            (vec![field("x-long", 70 * 1024)], false),
            (vec![short(), field("x-long", 70 * 1024)], false),
        ]
        .into_iter()
        .enumerate()
        {
            let (tell, mut told) = tokio::sync::mpsc::channel(1);
            let respond = move |request: Request<Upload>| {
                let tell = tell.clone();
                async move {
                    let whole = request.into_body().collect().await.is_ok();
                    tell.send(whole).await.unwrap();
                    Response::new(Body::empty())
                }
            };
            let (mut caller, _served) = called(respond, pending()).await;
            caller.send(HEADERS, END_HEADERS, 1, &GET).await;
            caller.send(DATA, 0, 1, b"data").await;
            send_trailers(&mut caller, 1, &fields, 16 * 1024).await;
            assert_eq!(told.recv().await, Some(passes), "case {index}");
        }
    })
    .await;
}
