//! The proxy's settings: the only place that reads the environment.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use crate::{identity::SpiffeId, names};

/// Everything the environment says, checked once at start and immutable from then on.
#[derive(Debug, Clone)]
pub struct Config {
    /// Host of the control plane's Service.
    pub control_plane_host: String,
    /// Port where certificates are issued (server TLS and a token).
    pub csr_port: u16,
    /// Port of the configuration stream (mutual TLS).
    pub config_port: u16,
    /// The SPIFFE trust domain.
    pub trust_domain: String,
    /// Namespace of the control plane; part of the identity it must prove.
    pub system_namespace: String,
    /// This pod.
    pub pod: Pod,
    /// Rewritten probes as the webhook wrote them: a JSON object (`WEFT_PROBES`).
    pub probes: String,
    /// Data path threads.
    pub workers: usize,
    /// Log filter, in `tracing`'s env-filter syntax.
    pub log: String,
    /// Whether each request is written to stdout, or none is; `None`: policies say which.
    pub access_log: Option<bool>,
    /// How long a drain may last.
    pub drain: Duration,
    /// Ports the proxy listens on.
    pub ports: Ports,
    /// Files the pod mounts.
    pub files: Files,
}

/// The pod the proxy stands in.
#[derive(Debug, Clone)]
pub struct Pod {
    /// metadata.name
    pub name: String,
    /// metadata.namespace
    pub namespace: String,
    /// metadata.uid; names the workload resource.
    pub uid: String,
    /// spec.serviceAccountName
    pub service_account: String,
    /// status.podIPs, in order.
    pub ips: Vec<IpAddr>,
}

/// Listening ports. Constants in a pod; zero in tests, where the system chooses.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// Captured outbound connections.
    pub outbound: u16,
    /// Captured inbound connections.
    pub inbound: u16,
    /// Rewritten probes.
    pub probe: u16,
    /// Metrics and readiness.
    pub metrics: u16,
}

/// Mounted files. Fixed in a pod; elsewhere in tests.
#[derive(Debug, Clone)]
pub struct Files {
    /// Projected service account token, audience `weft`; the kubelet rewrites it.
    pub token: PathBuf,
    /// Key and chain of a pod certificate, which the kubelet makes and renews; then there is no token, and no certificate is asked for.
    pub credentials: Option<PathBuf>,
    /// PEM roots the mesh trusts; the kubelet rewrites it.
    pub trust_bundle: PathBuf,
    /// Memory-backed directory for key, chain and last good configuration.
    pub state: PathBuf,
}

/// A setting that is missing or wrong.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not set at all.
    #[error("{variable} is not set: {remedy}")]
    Missing {
        /// The environment variable.
        variable: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// Set to something unusable.
    #[error("{variable}=`{value}` is not usable: {problem}")]
    Invalid {
        /// The environment variable.
        variable: &'static str,
        /// Its value.
        value: String,
        /// What was expected.
        problem: String,
    },
}

const INJECTED: &str =
    "the webhook sets it in injected pods; re-create the pod, or set it by hand when running outside one";

// === impl Config ===

impl Config {
    /// Reads the process environment.
    pub fn from_env() -> Result<Self, ConfigError> {
        #[allow(clippy::disallowed_methods, reason = "the only reader of the environment")]
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads settings from `lookup`, which stands for the environment.
    pub fn from_lookup(lookup: impl Fn(&'static str) -> Option<String>) -> Result<Self, ConfigError> {
        let vars = Vars { lookup };
        Ok(Self {
            control_plane_host: vars.required("WEFT_CONTROL_PLANE_HOST")?,
            csr_port: vars.parsed("WEFT_CSR_PORT", names::CSR_PORT, "a port number")?,
            config_port: vars.parsed("WEFT_CONFIG_PORT", names::CONFIG_PORT, "a port number")?,
            trust_domain: vars.or("WEFT_TRUST_DOMAIN", "cluster.local"),
            system_namespace: vars.or("WEFT_SYSTEM_NAMESPACE", "weft-system"),
            pod: Pod {
                name: vars.required("WEFT_POD_NAME")?,
                namespace: vars.required("WEFT_POD_NAMESPACE")?,
                uid: vars.required("WEFT_POD_UID")?,
                service_account: vars.required("WEFT_SERVICE_ACCOUNT")?,
                ips: vars.ips("WEFT_POD_IPS")?,
            },
            probes: vars.or("WEFT_PROBES", "{}"),
            workers: vars.workers("WEFT_WORKERS")?,
            log: vars.or("WEFT_LOG", "info"),
            access_log: vars.get("WEFT_ACCESS_LOG").map(|_| vars.switched("WEFT_ACCESS_LOG")).transpose()?,
            drain: Duration::from_secs(vars.parsed("WEFT_DRAIN_SECONDS", 25, "a whole number of seconds")?),
            ports: Ports::default(),
            files: Files {
                credentials: vars.switched("WEFT_POD_CERTIFICATE")?.then(|| names::CREDENTIALS_PATH.into()),
                ..Files::default()
            },
        })
    }

    /// The identity this proxy asks for and serves under.
    pub fn identity(&self) -> SpiffeId {
        SpiffeId::new(&self.trust_domain, &self.pod.namespace, &self.pod.service_account)
    }

    /// The only identity accepted from a control plane.
    pub fn control_plane_identity(&self) -> SpiffeId {
        SpiffeId::new(&self.trust_domain, &self.system_namespace, names::CONTROL_PLANE_SERVICE_ACCOUNT)
    }
}

struct Vars<F> {
    lookup: F,
}

impl<F: Fn(&'static str) -> Option<String>> Vars<F> {
    fn get(&self, variable: &'static str) -> Option<String> {
        (self.lookup)(variable).filter(|value| !value.trim().is_empty())
    }

    fn required(&self, variable: &'static str) -> Result<String, ConfigError> {
        self.get(variable).ok_or(ConfigError::Missing { variable, remedy: INJECTED })
    }

    fn or(&self, variable: &'static str, default: &str) -> String {
        self.get(variable).unwrap_or_else(|| default.to_owned())
    }

    fn parsed<T: std::str::FromStr>(
        &self,
        variable: &'static str,
        default: T,
        expected: &str,
    ) -> Result<T, ConfigError> {
        match self.get(variable) {
            None => Ok(default),
            Some(value) => value.trim().parse().map_err(|_| ConfigError::Invalid {
                variable,
                problem: format!("expected {expected}"),
                value,
            }),
        }
    }

    /// `enabled` or `disabled`, the default.
    fn switched(&self, variable: &'static str) -> Result<bool, ConfigError> {
        match self.get(variable).as_deref().map(str::trim) {
            None | Some("disabled") => Ok(false),
            Some("enabled") => Ok(true),
            Some(value) => Err(ConfigError::Invalid {
                variable,
                value: value.to_owned(),
                problem: "expected `enabled` or `disabled`".to_owned(),
            }),
        }
    }

    fn workers(&self, variable: &'static str) -> Result<usize, ConfigError> {
        let workers = self.parsed(variable, 1, "a number of threads between 1 and 64")?;
        if (1..=64).contains(&workers) {
            return Ok(workers);
        }
        Err(ConfigError::Invalid {
            variable,
            value: workers.to_string(),
            problem: "expected a number of threads between 1 and 64".to_owned(),
        })
    }

    fn ips(&self, variable: &'static str) -> Result<Vec<IpAddr>, ConfigError> {
        let value = self.required(variable)?;
        value
            .split(',')
            .map(|ip| {
                ip.trim().parse().map_err(|_| ConfigError::Invalid {
                    variable,
                    value: value.clone(),
                    problem: format!(
                        "`{}` is no IP address; expected status.podIPs, separated by commas",
                        ip.trim()
                    ),
                })
            })
            .collect()
    }
}

// === impl Ports, Files ===

impl Default for Ports {
    fn default() -> Self {
        Self {
            outbound: names::OUTBOUND_PORT,
            inbound: names::INBOUND_PORT,
            probe: names::PROBE_PORT,
            metrics: names::METRICS_PORT,
        }
    }
}

impl Files {
    /// The socket of the admin server.
    pub fn admin_socket(&self) -> PathBuf {
        self.state.join(names::ADMIN_SOCKET)
    }
}

impl Default for Files {
    fn default() -> Self {
        Self {
            token: names::TOKEN_PATH.into(),
            credentials: None,
            trust_bundle: names::TRUST_BUNDLE_PATH.into(),
            state: names::STATE_DIR.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn pod_env() -> HashMap<&'static str, &'static str> {
        HashMap::from([
            ("WEFT_CONTROL_PLANE_HOST", "weft-default.weft-system.svc.cluster.local"),
            ("WEFT_POD_NAME", "web-1"),
            ("WEFT_POD_NAMESPACE", "shop"),
            ("WEFT_POD_UID", "uid-1"),
            ("WEFT_SERVICE_ACCOUNT", "web"),
            ("WEFT_POD_IPS", "10.0.0.7,fd00::7"),
        ])
    }

    fn read(env: &HashMap<&'static str, &'static str>) -> Result<Config, ConfigError> {
        Config::from_lookup(|name| env.get(name).map(|value| (*value).to_owned()))
    }

    #[test]
    fn an_injected_pod_needs_only_what_the_webhook_sets() {
        let config = read(&pod_env()).expect("a full environment");
        assert_eq!(config.identity().as_str(), "spiffe://cluster.local/ns/shop/sa/web");
        assert_eq!(config.control_plane_identity().as_str(), "spiffe://cluster.local/ns/weft-system/sa/weft");
        assert_eq!((config.csr_port, config.config_port, config.workers), (15110, 15112, 1));
        assert_eq!(config.pod.ips.len(), 2);
    }

    #[test]
    fn a_pod_with_a_pod_certificate_has_key_and_chain_from_the_kubelet() {
        let mut env = pod_env();
        assert_eq!(read(&env).unwrap().files.credentials, None);
        env.insert("WEFT_POD_CERTIFICATE", "enabled");
        let credentials = read(&env).unwrap().files.credentials;
        assert_eq!(credentials.as_deref(), Some(std::path::Path::new(names::CREDENTIALS_PATH)));
    }

    #[test]
    fn a_missing_variable_is_named_with_its_remedy() {
        let mut env = pod_env();
        env.remove("WEFT_POD_UID");
        let error = read(&env).expect_err("no uid").to_string();
        assert!(error.starts_with("WEFT_POD_UID is not set: the webhook sets it"), "{error}");
    }

    #[test]
    fn a_bad_value_is_shown_with_what_was_expected() {
        for (variable, value, expected) in [
            ("WEFT_CSR_PORT", "99999", "a port number"),
            ("WEFT_POD_IPS", "10.0.0.7,nonsense", "`nonsense` is no IP address"),
            ("WEFT_WORKERS", "0", "between 1 and 64"),
            ("WEFT_DRAIN_SECONDS", "1m", "whole number of seconds"),
            ("WEFT_ACCESS_LOG", "yes", "`enabled` or `disabled`"),
            ("WEFT_POD_CERTIFICATE", "true", "`enabled` or `disabled`"),
        ] {
            let mut env = pod_env();
            env.insert(variable, value);
            let error = read(&env).expect_err(variable).to_string();
            assert!(error.contains(variable) && error.contains(value) && error.contains(expected), "{error}");
        }
    }
}
