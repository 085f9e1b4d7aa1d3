//! The life of the certificate: kept, obtained, renewed well before its end, rebuilt when the trust bundle changes.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{sync::watch, time::sleep};

use super::{
    CertState, Certs, authority::CertifyClient, bundle::Bundle, due::Due, keep::Keep, mounted::Mounted,
};
use crate::{backoff::Backoff, config::Config, rpc::Authority, tls::Trust};

/// Keeps the certificate fresh; [`Renewal::run`] it for as long as the proxy lives.
#[derive(Debug)]
pub struct Renewal {
    source: Source,
    trust: watch::Receiver<Arc<Trust>>,
    current: watch::Sender<Arc<CertState>>,
}

/// Who renews.
#[derive(Debug)]
enum Source {
    /// This proxy, which asks the authority.
    Authority(Asking),
    /// The kubelet, whose file is followed.
    Kubelet(Mounted),
}

/// How and when the authority is asked.
#[derive(Debug)]
struct Asking {
    client: CertifyClient,
    keep: Keep,
    due: Due,
}

/// Attempts after a failure: soon at first, since a pod may be waiting to start.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// The file beside the trust bundle that says which issuer the mesh signs with.
const ISSUER_NOTICE: &str = "issuer";

/// Gets the first certificate: where the kubelet brings one, that; else from the state directory if it is still good, from the
/// authority otherwise. Waits for as long as that takes, and says why in the log. Must be called inside a runtime: the trust bundle is
/// followed from here on.
pub async fn obtain(config: &Config) -> (Certs, Renewal) {
    obtain_with(config, Bundle::new(&config.files, &config.trust_domain)).await
}

pub(crate) async fn obtain_with(config: &Config, mut bundle: Bundle) -> (Certs, Renewal) {
    let (trust_sender, trust) = watch::channel(bundle.first().await);
    tokio::spawn(bundle.follow(trust_sender));
    let (source, state) = match &config.files.credentials {
        Some(path) => {
            let mut mounted = Mounted::new(path.clone(), config.identity().into());
            let state = mounted.next(&trust).await;
            (Source::Kubelet(mounted), state)
        }
        None => {
            let (asking, state) = asked(config, &trust).await;
            (Source::Authority(asking), state)
        }
    };
    let (current, certs) = watch::channel(Arc::new(state));
    (Certs::new(certs), Renewal { source, trust, current })
}

async fn asked(config: &Config, trust: &watch::Receiver<Arc<Trust>>) -> (Asking, CertState) {
    let client = CertifyClient {
        authority: Authority { host: config.control_plane_host.clone(), port: config.csr_port },
        authority_identity: config.control_plane_identity(),
        identity: Arc::new(config.identity()),
        token: config.files.token.clone(),
    };
    let keep = Keep::new(&config.files.state);
    let kept = keep.load().and_then(|issued| {
        let state = issued.state(&client.identity, &trust.borrow());
        state.inspect_err(|reason| tracing::info!(%reason, "kept certificate not used")).ok()
    });
    let state = match kept {
        Some(state) => {
            tracing::info!(identity = %state.identity, "going on with the kept certificate");
            state
        }
        None => certified(&client, &keep, trust).await,
    };
    let due = Due::new(config.files.trust_bundle.with_file_name(ISSUER_NOTICE), &state);
    (Asking { client, keep, due }, state)
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
        match &mut self.source {
            Source::Authority(asking) => asking.due.hurried(),
            Source::Kubelet(mounted) => mounted.hurried(),
        }
        self
    }

    /// Renews and rebuilds for ever. Returns when nobody uses the certificate any more.
    pub async fn run(mut self) {
        let Self { source, trust, current } = &mut self;
        let mut asked_trust = trust.clone();
        loop {
            let used = current.borrow().clone();
            tokio::select! {
                () = current.closed() => return,
                changed = trust.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let rebuilt = current.borrow().with_trust(trust.borrow_and_update().clone());
                    current.send_replace(Arc::new(rebuilt));
                }
                state = source.renewed(&asked_trust, &used) => {
                    // The bundle may have changed while the authority was asked.
                    let state = state.with_trust(asked_trust.borrow_and_update().clone());
                    source.in_use(&state);
                    current.send_replace(Arc::new(state));
                }
            }
        }
    }
}

// === impl Source ===

impl Source {
    /// The certificate after `used`, when it is there.
    async fn renewed(&mut self, trust: &watch::Receiver<Arc<Trust>>, used: &CertState) -> CertState {
        match self {
            Self::Authority(Asking { client, keep, due }) => {
                due.wait(used).await;
                certified(client, keep, trust).await
            }
            Self::Kubelet(mounted) => mounted.next(trust).await,
        }
    }

    fn in_use(&mut self, state: &CertState) {
        if let Self::Authority(asking) = self {
            asking.due.renewed(state);
        }
    }
}
