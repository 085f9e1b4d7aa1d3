//! Bodies: sent while answers are read, taken back, broken off, and held by windows.

use super::*;

#[tokio::test]
async fn a_caller_that_leaves_takes_back_the_body_it_is_sending() {
    run(async {
        let (body, _source, _alive) = endless().await;
        let (connection, mut server) = connected(Pinged::No).await;
        let request = post(body);
        let asking = spawn_local(async move { connection.exchange(request).await.map(drop) });
        let (flags, _, _) = server.next(HEADERS).await;
        assert_eq!(flags & END_STREAM, 0);
        asking.abort();
        let (_, _, reason) = server.next(RST_STREAM).await;
        assert_eq!(reason, [0, 0, 0, 2], "INTERNAL_ERROR");
    })
    .await;
}

#[tokio::test]
async fn a_body_goes_on_after_the_head_of_the_answer_came() {
    run(async {
        let (body, mut source, _alive) = endless().await;
        let (connection, mut server) = connected(Pinged::No).await;
        let request = post(body);
        let answered = async {
            let (_, stream, _) = server.next(HEADERS).await;
            server.send(HEADERS, END_HEADERS, stream, &OK).await;
            stream
        };
        let (answer, stream) = tokio::join!(connection.exchange(request), answered);
        source.send(DATA, 0, 1, b"one").await;
        assert_eq!(server.next(DATA).await.2, b"one");
        source.send(DATA, END_STREAM, 1, b"two").await;
        let (flags, _, last) = server.next(DATA).await;
        assert_eq!((flags, &*last), (END_STREAM, &b"two"[..]));
        server.send(DATA, END_STREAM, stream, b"done").await;
        assert_eq!(answer.unwrap().into_body().collect().await.unwrap().to_bytes(), "done");
    })
    .await;
}

/// NO_ERROR, INTERNAL_ERROR, REFUSED_STREAM and CANCEL.
const CODES: [u8; 4] = [0, 2, 7, 8];

#[tokio::test]
async fn an_answer_that_is_reset_before_its_end_is_broken_whatever_the_code() {
    run(async {
        for code in CODES {
            let (mut body, mut server, _alive) = endless().await;
            server.send(DATA, 0, 1, b"not all").await;
            server.send(RST_STREAM, 0, 1, &[0, 0, 0, code]).await;
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "not all");
            let error = body.frame().await.expect("no end").unwrap_err();
            assert!(
                matches!(error, WireError::H2(error) if error.reason() == Some(Reason::from(u32::from(code))))
            );
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_whose_server_needs_no_more_of_the_request_is_whole() {
    run(async {
        let (mut body, mut server, _alive) = endless().await;
        server.send(DATA, END_STREAM, 1, b"enough").await;
        server.send(RST_STREAM, 0, 1, &[0; 4]).await;
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "enough");
        assert!(body.frame().await.is_none());
    })
    .await;
}

#[tokio::test]
async fn a_request_that_is_reset_before_its_end_is_broken_whatever_the_code() {
    run(async {
        for code in CODES {
            let (read, result) = oneshot::channel();
            let read = Cell::new(Some(read));
            let respond = move |request: Request<Upload>| {
                let read = read.take();
                async move {
                    // Not of this request, which is given up with its stream.
                    let mut body = request.into_body();
                    spawn_local(async move {
                        let whole = loop {
                            match body.frame().await {
                                Some(Ok(_)) => {}
                                Some(Err(_)) => break false,
                                None => break true,
                            }
                        };
                        read.unwrap().send(whole).unwrap();
                    });
                    pending().await
                }
            };
            let (mut caller, _served) = called(respond, pending()).await;
            caller.send(HEADERS, END_HEADERS, 1, &GET).await;
            caller.send(DATA, 0, 1, b"not all").await;
            settle().await;
            caller.send(RST_STREAM, 0, 1, &[0, 0, 0, code]).await;
            assert!(!result.await.unwrap(), "taken for whole: {code}");
        }
    })
    .await;
}

/// A request whose body goes on, and the connection it was sent on, with its server.
async fn uploading(request: Request<Upload>) -> (Rc<Connection>, Played, JoinHandle<Response<Incoming>>) {
    let (connection, mut server) = connected(Pinged::No).await;
    let connection = Rc::new(connection);
    let asking = {
        let connection = connection.clone();
        spawn_local(async move { connection.exchange(request).await.unwrap() })
    };
    let (_, stream, _) = server.next(HEADERS).await;
    server.send(HEADERS, END_HEADERS, stream, &OK).await;
    (connection, server, asking)
}

#[tokio::test]
async fn an_answer_that_is_given_up_takes_the_rest_of_its_request_back() {
    run(async {
        let (body, mut source, _alive) = endless().await;
        let (_connection, mut server, asking) = uploading(post(body)).await;
        drop(asking.await.unwrap());
        assert_eq!(server.next(RST_STREAM).await.2, [0, 0, 0, 2], "INTERNAL_ERROR");
        // So is the request where it comes from.
        assert_eq!(source.next(RST_STREAM).await.2, [0, 0, 0, 8], "CANCEL");
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_has_ended_lets_its_request_go_on_which_counts_until_it_has() {
    run(async {
        let (body, mut source, _alive) = endless().await;
        let (connection, mut server, asking) = uploading(post(body)).await;
        server.send(DATA, END_STREAM, 1, b"thanks").await;
        let mut answer = asking.await.unwrap().into_body();
        assert_eq!(answer.frame().await.unwrap().unwrap().into_data().unwrap(), "thanks");
        assert!(answer.is_end_stream());
        drop(answer);
        connection.count(-1); // as its pool does after a response
        assert_eq!(connection.streams(), 1);
        source.send(DATA, END_STREAM, 1, b"the rest").await;
        let (flags, _, rest) = server.next(DATA).await;
        assert_eq!((flags, &*rest), (END_STREAM, &b"the rest"[..]));
        settle().await;
        assert_eq!(connection.streams(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_body_that_is_sent_again_ends_the_attempt_before() {
    run(async {
        let (body, mut source, _alive) = endless().await;
        let kept = post(body).map(Upload::keep);
        let again = kept.body().again().unwrap();
        let (_first, mut first, asking) = uploading(kept).await;
        source.send(DATA, 0, 1, b"one").await;
        assert_eq!(first.next(DATA).await.2, b"one");
        // Its answer is whole, and not wanted.
        first.send(DATA, END_STREAM, 1, b"no").await;
        drop(asking.await.unwrap().into_body().collect().await.unwrap());
        let (_second, mut second, _asking) = uploading(Request::post("http://a/").body(again).unwrap()).await;
        assert_eq!(first.next(RST_STREAM).await.2, [0, 0, 0, 2], "INTERNAL_ERROR");
        assert_eq!(second.next(DATA).await.2, b"one");
        source.send(DATA, END_STREAM, 1, b"two").await;
        assert_eq!(second.next(DATA).await.2, b"two");
    })
    .await;
}

#[tokio::test]
async fn what_came_before_a_break_is_sent_before_the_reset() {
    run(async {
        let (body, mut source, _alive) = endless().await;
        source.send(DATA, 0, 1, b"some").await;
        source.send(RST_STREAM, 0, 1, &[0, 0, 0, 2]).await;
        settle().await;
        let (_connection, mut server, _asking) = uploading(post(body)).await;
        assert_eq!(server.next(DATA).await.2, b"some");
        assert_eq!(server.next(RST_STREAM).await.2, [0, 0, 0, 2]);
    })
    .await;
}

#[tokio::test]
async fn a_body_that_breaks_resets_its_stream_with_the_reason_it_broke_for() {
    run(async {
        // ENHANCE_YOUR_CALM; and INTERNAL_ERROR for NO_ERROR and CANCEL, which many take for an end.
        for (code, told) in [(11, 11), (0, 2), (8, 2)] {
            let (body, mut source, _alive) = endless().await;
            let (connection, mut server) = connected(Pinged::No).await;
            let request = post(body);
            let asking = spawn_local(async move { connection.exchange(request).await.map(drop) });
            server.next(HEADERS).await;
            source.send(RST_STREAM, 0, 1, &[0, 0, 0, code]).await;
            let (_, _, reason) = server.next(RST_STREAM).await;
            assert_eq!(reason, [0, 0, 0, told]);
            assert!(asking.await.unwrap().is_err());
        }
    })
    .await;
}

/// A client in Node.js ends a response that was reset with CANCEL or NO_ERROR as if it were whole.
#[tokio::test]
async fn a_response_that_breaks_is_not_reset_with_cancel_but_where_it_is_grpc() {
    run(async {
        for (grpc, code, told) in [(false, 8, 2), (false, 0, 2), (false, 11, 11), (true, 8, 8)] {
            let (body, mut source, _alive) = endless().await;
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut caller = Played::new(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
            caller.tcp.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
            caller.send(SETTINGS, 0, 0, &[]).await;
            caller.send(HEADERS, END_HEADERS | END_STREAM, 1, &GET).await;
            let accepted = listener.accept().await.unwrap().0;
            let mut connection = h2::server::handshake(accepted).await.unwrap();
            let (_, mut reply) = connection.accept().await.unwrap().unwrap();
            spawn_local(async move { connection.accept().await.is_some() });
            let stream = reply.send_response(Response::new(()), false).unwrap();
            spawn_local(Pump::new(post(body).into_body(), stream, grpc));
            caller.next(HEADERS).await;
            source.send(RST_STREAM, 0, 1, &[0, 0, 0, code]).await;
            assert_eq!(caller.next(RST_STREAM).await.2, [0, 0, 0, told], "gRPC: {grpc}, {code}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_body_arrives_whole_once_the_window_opens() {
    run(async {
        // A short end, and one that waits for the window.
        for length in [16 * 1024, 16 * 1024 + 1] {
            let (body, mut source, _alive) = endless().await;
            let (connection, mut server) = connected_without_window().await;
            let request = post(body);
            let _asking = spawn_local(async move { connection.exchange(request).await.map(drop) });
            let (_, stream, _) = server.next(HEADERS).await;
            source.send(DATA, END_STREAM, 1, &vec![7; length]).await;
            settle().await;
            assert!(!server.has_got(DATA).await, "sent without a window");
            server.send(WINDOW_UPDATE, 0, stream, &65_535_u32.to_be_bytes()).await;
            let mut got = 0;
            loop {
                let (flags, _, data) = server.next(DATA).await;
                got += data.len();
                assert!(!data.is_empty(), "the end comes with the last bytes");
                if flags & END_STREAM != 0 {
                    break;
                }
            }
            assert_eq!(got, length);
        }
    })
    .await;
}
