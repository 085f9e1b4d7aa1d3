//! The life of the certificate: kept, obtained, renewed well before its end, rebuilt when the trust bundle changes.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{sync::watch, time::sleep};

use super::{CertState, Certs, authority::CertifyClient, bundle::Bundle, due::Due, keep::Keep};
use crate::{backoff::Backoff, config::Config, rpc::Authority, tls::Trust};

/// Keeps the certificate fresh; [`Renewal::run`] it for as long as the proxy lives.
#[derive(Debug)]
pub struct Renewal {
    client: CertifyClient,
    keep: Keep,
    trust: watch::Receiver<Arc<Trust>>,
    current: watch::Sender<Arc<CertState>>,
    due: Due,
}

/// Attempts after a failure: soon at first, since a pod may be waiting to start.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// The file beside the trust bundle that says which issuer the mesh signs with.
const ISSUER_NOTICE: &str = "issuer";

/// Gets the first certificate, from the state directory if it is still good, from the authority otherwise; waits for as
/// long as that takes, and says why in the log. Must be called inside a runtime: the trust bundle is followed from here on.
pub async fn obtain(config: &Config) -> (Certs, Renewal) {
    obtain_with(config, Bundle::new(config.files.trust_bundle.clone(), &config.trust_domain)).await
}

pub(crate) async fn obtain_with(config: &Config, mut bundle: Bundle) -> (Certs, Renewal) {
    let client = CertifyClient {
        authority: Authority { host: config.control_plane_host.clone(), port: config.csr_port },
        authority_identity: config.control_plane_identity(),
        identity: Arc::new(config.identity()),
        token: config.files.token.clone(),
    };
    let keep = Keep::new(&config.files.state);
    let (trust_sender, trust) = watch::channel(bundle.first().await);
    tokio::spawn(bundle.follow(trust_sender));

    let kept = keep.load().and_then(|issued| {
        let state = issued.state(&client.identity, &trust.borrow());
        state.inspect_err(|reason| tracing::info!(%reason, "kept certificate not used")).ok()
    });
    let state = match kept {
        Some(state) => {
            tracing::info!(identity = %state.identity, "going on with the kept certificate");
            state
        }
        None => certified(&client, &keep, &trust).await,
    };
    let due = Due::new(config.files.trust_bundle.with_file_name(ISSUER_NOTICE), &state);
    let (current, certs) = watch::channel(Arc::new(state));
    (Certs::new(certs), Renewal { client, keep, trust, current, due })
}

/// Asks until the authority answers.
async fn certified(client: &CertifyClient, keep: &Keep, trust: &watch::Receiver<Arc<Trust>>) -> CertState {
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        let roots = trust.borrow().clone();
        match client.certify(&roots).await {
            Ok((issued, state)) => {
                let life = state.not_after.duration_since(SystemTime::now()).unwrap_or_default();
                tracing::info!(identity = %state.identity, seconds = life.as_secs(), "certificate obtained");
                keep.store(&issued);
                return state;
            }
            Err(error) => tracing::warn!(%error, "no certificate yet"),
        }
        sleep(backoff.pause()).await;
    }
}

// === impl Renewal ===

impl Renewal {
    #[cfg(test)]
    pub(crate) fn hurried(mut self) -> Self {
        self.due.hurried();
        self
    }

    /// Renews and rebuilds for ever. Returns when nobody uses the certificate any more.
    pub async fn run(mut self) {
        let Self { client, keep, trust, current, due } = &mut self;
        let mut asked_trust = trust.clone();
        loop {
            tokio::select! {
                () = current.closed() => return,
                changed = trust.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let rebuilt = current.borrow().with_trust(trust.borrow_and_update().clone());
                    current.send_replace(Arc::new(rebuilt));
                }
                state = renewed(client, keep, &asked_trust, due, current.borrow().clone()) => {
                    // The bundle may have changed while the authority was asked.
                    let state = state.with_trust(asked_trust.borrow_and_update().clone());
                    due.renewed(&state);
                    current.send_replace(Arc::new(state));
                }
            }
        }
    }
}

async fn renewed(
    client: &CertifyClient,
    keep: &Keep,
    trust: &watch::Receiver<Arc<Trust>>,
    due: &mut Due,
    state: Arc<CertState>,
) -> CertState {
    due.wait(&state).await;
    certified(client, keep, trust).await
}
