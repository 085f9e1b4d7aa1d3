//! Destinations for tests that care about little of them.

use std::sync::Arc;

use crate::state::{
    Backend, Destination, LoadBalancer, Protocol, Route, SessionKey, Target, TargetKind, WeightedBackend,
};

/// A destination without endpoints, known by its key.
pub fn a_destination(key: &str) -> Arc<Destination> {
    Arc::new(Destination {
        key: key.into(),
        target: Target {
            kind: TargetKind::Service,
            namespace: "shop".into(),
            name: "reviews".into(),
            port: 8080,
        },
        protocol: Protocol::Unknown,
        routes: vec![Route {
            name: "route-0".into(),
            matches: vec![],
            split: vec![WeightedBackend { backend: 0, weight: 1, ..Default::default() }],
            ..Route::default()
        }],
        backends: vec![Arc::new(Backend {
            name: "shop/reviews:8080".into(),
            endpoints: vec![],
            ..Backend::default()
        })],
        load_balancer: LoadBalancer::default(),
        outliers: None,
        limits: None,
        session_key: SessionKey::default(),
        sampling: None,
        access_log: None,
    })
}
