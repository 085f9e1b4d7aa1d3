//! Limits that tell requests apart by a claim of their tokens.

use std::time::Duration;

use super::*;
use crate::jwt::CountedClaim;
use crate::rate_limit::{CountedBy, KeyPart, RateLimit};
use crate::state::Protocol;

/// A pod where nothing but a limit of one request for each `sub` looks at tokens.
fn limited(
    world: &World,
    app: SocketAddr,
    signer: &Signer,
    rule: Vec<(Vec<Condition>, Effect, Mode)>,
) -> Proxy {
    let counted = CountedClaim { issuer: 0, path: vec!["sub".into()] };
    let tokens = tokens(signer, &Signer::generate(), false).counting(vec![counted]);
    let receiver = receiver(world, app, rules(Default::Allow, tokens, rule));
    let by = CountedBy { place: 0, issuer: "https://id.example".into(), path: ["sub".into()].into() };
    let limit = RateLimit::new(
        ("shop/limits".into(), "per-user".into()),
        (1, Duration::from_secs(1000), 1, 1),
        [KeyPart::Claim(by)].into(),
        false,
    );
    receiver.change_workload(|workload| {
        let port = &mut workload.inbound_ports[0];
        (port.protocol, port.needs_requests, port.rate_limits) = (Protocol::Http1, true, vec![limit]);
    });
    receiver
}

#[tokio::test]
async fn users_are_limited_each_for_itself_and_who_proves_nothing_with_all_others_who_do_not() {
    let (world, signer) = (World::new(), Signer::generate());
    for wire in WIRES {
        let app = Recorder::start(OK, false).await;
        let receiver = limited(&world, app.addr, &signer, Vec::new());
        let token = |sub: &str| bearer(signer.token(Algorithm::Es256, ES, &payload(&[("sub", sub)])));
        let forged =
            |sub: &str| bearer(Signer::generate().token(Algorithm::Es256, ES, &payload(&[("sub", sub)])));
        let mut lines = Lines::open(&world, &receiver).await;
        let cases = [
            (token(r#""ann""#), 200, "the first of ann"),
            (token(r#""ann""#), 429, "the second of ann"),
            (token(r#""bob""#), 200, "the first of bob"),
            (
                bearer(signer.token(Algorithm::Es256, ES, &payload(&[("sub", r#""bob""#), ("jti", "1")]))),
                429,
                "another token of bob",
            ),
            (Vec::new(), 200, "the first without a token"),
            (Vec::new(), 429, "the second without a token"),
            (forged(r#""eve""#), 429, "a token that is not believed is none"),
            (forged(r#""mal""#), 429, "and whom it names is beside the point"),
            (token(r#"["ann"]"#), 429, "a claim that is no text is none"),
            (token(""), 429, "a claim that is missing is none"),
        ];
        for (headers, code, what) in cases {
            let (answered, ..) = lines.told(wire, &headers).await;
            assert_eq!(answered, code, "{wire:?}: {what}");
        }
        assert_eq!(app.seen().concat().matches("GET ").count(), 3, "{wire:?}");
    }
}
