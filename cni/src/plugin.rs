//! The chained CNI plugin (<https://www.cni.dev/docs/spec/>): what the runtime runs after the plugins that give a pod its
//! network. A pod whose annotation says so is captured before anything of it runs, or it does not start; all others pass
//! without asking anybody, so that an agent that is away stops nothing else.

use std::collections::BTreeMap;
use std::env;
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::protocol::{self, Answer, Capture, Question};

/// Where the webhook says how a pod is captured, as JSON.
pub const CAPTURE_ANNOTATION: &str = "weft.dev/capture";
/// By this name containerd and CRI-O hand a pod's annotations to a plugin that asks for them.
pub const ANNOTATIONS: &str = "io.kubernetes.cri.pod-annotations";
/// A network configuration is no longer than this.
pub const MAX_CONFIG: u64 = 1024 * 1024;

/// Versions of the specification that it speaks.
pub const VERSIONS: [&str; 5] = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/// Error codes of the specification.
const INCOMPATIBLE_VERSION: u32 = 1;
const INVALID_ENVIRONMENT: u32 = 4;
const IO_FAILURE: u32 = 5;
const INVALID_JSON: u32 = 6;
const INVALID_CONFIG: u32 = 7;
const TRY_LATER: u32 = 11;
/// Ours begin at 100.
const NOT_CAPTURED: u32 = 100;
const INVALID_ANNOTATION: u32 = 101;

/// How long an agent that is being replaced is waited for. The kubelet tries again after that; while a plugin waits some runtimes do not
/// read their configuration again.
const AGENT_PATIENCE: Duration = Duration::from_secs(3);
/// How long the rules may take; the agent gives up before.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);
const RETRY: Duration = Duration::from_millis(100);

/// What the runtime says in variables.
#[derive(Debug, Default)]
pub struct Invocation {
    /// Path of the pod's network namespace.
    pub netns: Option<PathBuf>,
    /// `KEY=VALUE;...`, with the pod's name.
    pub arguments: String,
}

/// Why a pod has no network, as the runtime tells the kubelet.
#[derive(Debug)]
pub struct Refusal {
    code: u32,
    message: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    cni_version: String,
    prev_result: Option<Value>,
    #[serde(default)]
    runtime_config: BTreeMap<String, Value>,
    socket: PathBuf,
}

/// Answers the runtime. What is printed for a good outcome is returned.
pub fn run(command: &str, config: &str, invocation: &Invocation) -> Result<String, Refusal> {
    match command {
        "VERSION" => Ok(json!({ "cniVersion": "1.1.0", "supportedVersions": VERSIONS }).to_string()),
        "ADD" => add(config, invocation),
        // The rules go with the namespace. containerd and CRI-O do not ask for CHECK; the pod's own init container looks.
        "DEL" | "CHECK" | "GC" | "STATUS" => Ok(String::new()),
        _ => Err(Refusal::new(
            INVALID_ENVIRONMENT,
            format!("CNI_COMMAND is {command}, which this plugin does not know"),
        )),
    }
}

fn add(config: &str, invocation: &Invocation) -> Result<String, Refusal> {
    let config: Config = serde_json::from_str(config).map_err(|error| {
        Refusal::new(INVALID_JSON, format!("the network configuration cannot be read: {error}"))
    })?;
    if !VERSIONS.contains(&&*config.cni_version) {
        let why = format!(
            "cniVersion {} is not supported; it is one of {}",
            config.cni_version,
            VERSIONS.join(", ")
        );
        return Err(Refusal::new(INCOMPATIBLE_VERSION, why));
    }
    let Some(mut result) = config.prev_result else {
        let why = "there is no prevResult: weft-cni goes after a plugin that gives the pod its network";
        return Err(Refusal::new(INVALID_CONFIG, why.to_owned()));
    };
    if let Some(said) = capture_annotation(&config.runtime_config)? {
        let capture = Capture {
            pod: pod_of(&invocation.arguments),
            wish: serde_json::from_str(said).map_err(|error| {
                Refusal::new(
                    INVALID_ANNOTATION,
                    format!("annotation {CAPTURE_ANNOTATION} is not what Weft writes: {error}"),
                )
            })?,
            addresses: addresses_of(&result)?,
        };
        have_captured(&config.socket, capture, invocation)?;
    }
    if let Some(result) = result.as_object_mut() {
        result.insert("cniVersion".to_owned(), config.cni_version.into());
    }
    Ok(result.to_string())
}

/// What a pod's annotation says; `None` for a pod that has none.
fn capture_annotation(runtime_config: &BTreeMap<String, Value>) -> Result<Option<&str>, Refusal> {
    match runtime_config.get(ANNOTATIONS).and_then(|annotations| annotations.get(CAPTURE_ANNOTATION)) {
        None => Ok(None),
        Some(Value::String(said)) => Ok(Some(said)),
        Some(_) => {
            Err(Refusal::new(INVALID_ANNOTATION, format!("annotation {CAPTURE_ANNOTATION} is not a text")))
        }
    }
}

/// The addresses that the plugins before gave the pod.
fn addresses_of(result: &Value) -> Result<Vec<IpAddr>, Refusal> {
    let ips = result.get("ips").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let addresses: Option<Vec<IpAddr>> =
        ips.iter().map(|ip| ip.get("address")?.as_str()?.split('/').next()?.parse().ok()).collect();
    addresses.filter(|all| !all.is_empty()).ok_or_else(|| {
        let why = "prevResult has no addresses that can be read, so that nobody can tell whether the namespace is the pod's";
        Refusal::new(INVALID_CONFIG, why.to_owned())
    })
}

fn pod_of(arguments: &str) -> String {
    let of = |key: &str| {
        arguments
            .split(';')
            .find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
            .unwrap_or("?")
            .to_owned()
    };
    format!("{}/{}", of("K8S_POD_NAMESPACE"), of("K8S_POD_NAME"))
}

fn have_captured(socket: &Path, capture: Capture, invocation: &Invocation) -> Result<(), Refusal> {
    let path = invocation.netns.as_ref().ok_or_else(|| {
        Refusal::new(INVALID_ENVIRONMENT, "CNI_NETNS is not set, so there is no pod to capture".to_owned())
    })?;
    let netns = File::open(path).map_err(|error| {
        Refusal::new(
            IO_FAILURE,
            format!("cannot open the pod's network namespace {}: {error}", path.display()),
        )
    })?;
    let stream = connect(socket).map_err(|error| {
        let why = format!(
            "the agent of this node does not answer on {} ({error}), and a pod of the mesh does not start without its \
             rules. Look at the DaemonSet weft-cni",
            socket.display()
        );
        Refusal::new(TRY_LATER, why)
    })?;
    let asked = stream
        .set_read_timeout(Some(ANSWER_PATIENCE))
        .and_then(|()| protocol::send(&stream, &Question::Capture(capture), Some(&netns.into())))
        .and_then(|()| protocol::answer(&stream));
    match asked {
        Ok(Answer::Done(_)) => Ok(()),
        Ok(Answer::Refused(why)) => Err(Refusal::new(NOT_CAPTURED, why)),
        Err(error) => Err(Refusal::new(TRY_LATER, format!("the agent of this node gave no answer: {error}"))),
    }
}

/// Connects, if need be after the agent has been replaced.
fn connect(socket: &Path) -> io::Result<UnixStream> {
    let until = Instant::now() + AGENT_PATIENCE;
    loop {
        match UnixStream::connect(socket) {
            Err(_) if Instant::now() < until => thread::sleep(RETRY),
            outcome => return outcome,
        }
    }
}

// === impl Invocation ===

impl Invocation {
    /// As the runtime set it.
    pub fn from_env() -> Self {
        Self {
            netns: env::var_os("CNI_NETNS").filter(|path| !path.is_empty()).map(PathBuf::from),
            arguments: env::var("CNI_ARGS").unwrap_or_default(),
        }
    }
}

// === impl Refusal ===

impl Refusal {
    fn new(code: u32, message: String) -> Self {
        Self { code, message }
    }

    /// Standard input that cannot be read.
    pub fn io(error: &io::Error) -> Self {
        Self::new(IO_FAILURE, format!("the network configuration cannot be read: {error}"))
    }

    /// In the form of the specification, and in the version of the configuration if that says one.
    pub fn to_json(&self, config: &str) -> String {
        let version = serde_json::from_str::<Value>(config)
            .ok()
            .and_then(|config| config.get("cniVersion")?.as_str().map(str::to_owned))
            .unwrap_or_else(|| "1.0.0".to_owned());
        json!({ "cniVersion": version, "code": self.code, "msg": format!("weft-cni: {}", self.message) })
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREVIOUS: &str = r#"{"cniVersion":"1.0.0","interfaces":[{"name":"eth0"}],"ips":[{"address":"10.244.0.5/24"},{"address":"fd00::5/64"}]}"#;

    fn config(annotations: &str, rest: &str) -> String {
        format!(
            r#"{{"cniVersion":"1.0.0","name":"net","type":"weft-cni","socket":"/nowhere/agent.sock",
                "runtimeConfig":{{"{ANNOTATIONS}":{annotations}}}{rest}}}"#
        )
    }

    fn added(config: &str) -> Result<Value, (u32, String)> {
        run("ADD", config, &Invocation::default())
            .map(|text| serde_json::from_str(&text).unwrap())
            .map_err(|refusal| (refusal.code, refusal.message))
    }

    #[test]
    fn a_pod_without_the_annotation_passes_without_asking_anybody() {
        let previous: Value = serde_json::from_str(PREVIOUS).unwrap();
        for annotations in ["{}", "null", r#"{"weft.dev/injection":"injected"}"#] {
            assert_eq!(
                added(&config(annotations, &format!(r#","prevResult":{PREVIOUS}"#))),
                Ok(previous.clone())
            );
        }
        let silent = format!(r#"{{"cniVersion":"0.3.1","socket":"/nowhere","prevResult":{PREVIOUS}}}"#);
        assert_eq!(added(&silent).unwrap()["cniVersion"], "0.3.1");
    }

    #[test]
    fn what_cannot_be_meant_or_captured_is_refused() {
        let meshed = r#"{"weft.dev/capture":"{\"skipInboundPorts\":\"9102\"}"}"#;
        for (config, code) in [
            ("nonsense".to_owned(), INVALID_JSON),
            (config(meshed, ""), INVALID_CONFIG),
            (
                config(r#"{"weft.dev/capture":"--proxy-uid"}"#, &format!(r#","prevResult":{PREVIOUS}"#)),
                INVALID_ANNOTATION,
            ),
            (
                config(
                    r#"{"weft.dev/capture":"{\"proxyUid\":\"0\"}"}"#,
                    &format!(r#","prevResult":{PREVIOUS}"#),
                ),
                INVALID_ANNOTATION,
            ),
            (
                config(r#"{"weft.dev/capture":["a"]}"#, &format!(r#","prevResult":{PREVIOUS}"#)),
                INVALID_ANNOTATION,
            ),
            (
                format!(r#"{{"cniVersion":"0.2.0","socket":"/s","prevResult":{PREVIOUS}}}"#),
                INCOMPATIBLE_VERSION,
            ),
            (
                format!(r#"{{"cniVersion":"2.0.0","socket":"/s","prevResult":{PREVIOUS}}}"#),
                INCOMPATIBLE_VERSION,
            ),
            (config(meshed, r#","prevResult":{"ips":[]}"#), INVALID_CONFIG),
            (config(meshed, r#","prevResult":{"ips":[{"address":"here"}]}"#), INVALID_CONFIG),
            (config(meshed, &format!(r#","prevResult":{PREVIOUS}"#)), INVALID_ENVIRONMENT),
        ] {
            assert_eq!(added(&config).unwrap_err().0, code, "{config}");
        }
    }

    #[test]
    fn an_error_is_told_in_the_version_of_the_configuration() {
        let refusal = run("JUMP", "", &Invocation::default()).unwrap_err();
        let told: Value = serde_json::from_str(&refusal.to_json(r#"{"cniVersion":"0.4.0"}"#)).unwrap();
        assert_eq!(told["cniVersion"], "0.4.0");
        assert_eq!(told["code"], 4);
        assert!(told["msg"].as_str().unwrap().contains("JUMP"));
        assert!(run("VERSION", "", &Invocation::default()).unwrap().contains("\"1.1.0\""));
    }

    #[test]
    fn the_pod_is_named_by_the_arguments_of_the_runtime() {
        assert_eq!(
            pod_of("IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-1;K8S_POD_UID=u"),
            "shop/web-1"
        );
        assert_eq!(pod_of(""), "?/?");
    }
}
