//! The command line.

use std::net::IpAddr;
use std::str::FromStr;

use lexopt::prelude::*;
use weft_proxy::init::Options;

/// What `--help` prints.
pub const HELP: &str = "\
weft-proxy: the data plane of the Weft service mesh

In an injected pod the webhook starts everything below; by hand it is useful for looking and for testing.

Usage: weft-proxy <command>

Commands:
  run     Runs the proxy until SIGTERM. Settings come from the environment (WEFT_*), as the webhook sets them.
  init    Captures the TCP traffic of this network namespace with iptables. Needs NET_ADMIN and NET_RAW.
          Running it again changes nothing.
  front   Ends TLS of proxies for the control plane, which starts it and hands it a socket.
  ready   Says whether the proxy in this pod is ready and, if not, what it waits for. Exits 0 when ready.
  drain   Asks the proxy in this pod to end its connections gracefully, and waits until it has. The preStop hook.
  show WHAT       Prints what the proxy knows: config, balancers or loglevel.
  inspect WHAT    Answers a question, one line of JSON on standard input: explain or tap. What `weft explain` and `weft tap` run.
  loglevel LEVEL  Changes what it logs, such as info or info,weft_proxy::outbound=debug.

ready, drain, show, inspect and loglevel are for the proxy's own container: the socket they ask is its alone.

Options of init:
  --outbound-port PORT          Where connections that the pod opens are sent        [default: 15101]
  --inbound-port PORT           Where connections to the pod are sent                [default: 15106]
  --proxy-uid UID               The user whose connections are left alone            [default: 2112]
  --skip-inbound-ports PORTS    Ports of the pod to leave alone, such as 9090,8000-8010
  --skip-outbound-ports PORTS   Destination ports to leave alone, such as 3306
  --expect-addresses ADDRESSES  Programs nothing unless this network namespace has all of these addresses
  --verify                      Programs nothing: says whether the traffic is captured. Needs no capability

  -h, --help      Shows this
  -V, --version   Shows the version

Examples:
  weft-proxy init --skip-inbound-ports 9090
  kubectl exec POD -c weft-proxy -- weft-proxy ready
  kubectl exec POD -c weft-proxy -- weft-proxy show config
";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    Help,
    Version,
    Run,
    Front,
    Init(Options),
    VerifyCapture(Options),
    Ready,
    Drain,
    Show(Shown),
    Inspect(Inspected),
    LogLevel(String),
}

/// What a running proxy answers questions about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inspected {
    /// What would become of a request.
    Explain,
    /// Which requests pass, until whoever asks leaves.
    Tap,
}

/// What can be shown of a running proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Config,
    Balancers,
    LogLevel,
}

/// A command line nobody can follow.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    #[error("say what to do: run, init, front, ready, drain, show, inspect or loglevel")]
    NoCommand,
    #[error("`{0}` is no command: expected run, init, front, ready, drain, show, inspect or loglevel")]
    UnknownCommand(String),
    #[error("`{0}` cannot be shown: expected config, balancers or loglevel")]
    UnknownShown(String),
    #[error("`{0}` cannot be inspected: expected explain or tap")]
    UnknownInspected(String),
    #[error(transparent)]
    Arguments(#[from] lexopt::Error),
}

// === impl Command ===

impl Command {
    /// Reads the arguments of this process.
    pub fn from_args() -> Result<Self, UsageError> {
        Self::parse(lexopt::Parser::from_env())
    }

    fn parse(mut parser: lexopt::Parser) -> Result<Self, UsageError> {
        let command = match parser.next()? {
            None => return Err(UsageError::NoCommand),
            Some(Short('h') | Long("help")) => return Ok(Self::Help),
            Some(Short('V') | Long("version")) => return Ok(Self::Version),
            Some(Value(name)) => name.string()?,
            Some(other) => return Err(other.unexpected().into()),
        };
        match command.as_str() {
            "init" => parse_init(parser),
            "run" => without_options(parser, Self::Run),
            "front" => without_options(parser, Self::Front),
            "ready" => without_options(parser, Self::Ready),
            "drain" => without_options(parser, Self::Drain),
            "show" => with_argument(parser, |what| Ok(Self::Show(what.parse()?))),
            "inspect" => with_argument(parser, |what| Ok(Self::Inspect(what.parse()?))),
            "loglevel" => with_argument(parser, |filter| Ok(Self::LogLevel(filter))),
            "help" => Ok(Self::Help),
            _ => Err(UsageError::UnknownCommand(command)),
        }
    }
}

fn without_options(mut parser: lexopt::Parser, command: Command) -> Result<Command, UsageError> {
    match parser.next()? {
        None => Ok(command),
        Some(Short('h') | Long("help")) => Ok(Command::Help),
        Some(other) => Err(other.unexpected().into()),
    }
}

/// A command that takes one argument.
fn with_argument(
    mut parser: lexopt::Parser,
    command: impl FnOnce(String) -> Result<Command, UsageError>,
) -> Result<Command, UsageError> {
    let argument = match parser.next()? {
        Some(Short('h') | Long("help")) => return Ok(Command::Help),
        Some(Value(argument)) => argument.string()?,
        Some(other) => return Err(other.unexpected().into()),
        None => String::new(),
    };
    without_options(parser, command(argument)?)
}

// === impl Shown ===

impl Shown {
    /// Where the admin socket has it.
    pub fn path(self) -> &'static str {
        match self {
            Self::Config => "/config",
            Self::Balancers => "/balancers",
            Self::LogLevel => "/loglevel",
        }
    }
}

impl FromStr for Shown {
    type Err = UsageError;

    fn from_str(what: &str) -> Result<Self, UsageError> {
        match what {
            "config" => Ok(Self::Config),
            "balancers" => Ok(Self::Balancers),
            "loglevel" => Ok(Self::LogLevel),
            _ => Err(UsageError::UnknownShown(what.to_owned())),
        }
    }
}

impl FromStr for Inspected {
    type Err = UsageError;

    fn from_str(what: &str) -> Result<Self, UsageError> {
        match what {
            "explain" => Ok(Self::Explain),
            "tap" => Ok(Self::Tap),
            _ => Err(UsageError::UnknownInspected(what.to_owned())),
        }
    }
}

fn parse_init(mut parser: lexopt::Parser) -> Result<Command, UsageError> {
    let mut options = Options::default();
    let mut only_verifies = false;
    while let Some(argument) = parser.next()? {
        match argument {
            Long("outbound-port") => options.outbound_port = parsed(&mut parser)?,
            Long("inbound-port") => options.inbound_port = parsed(&mut parser)?,
            Long("proxy-uid") => options.proxy_uid = parsed(&mut parser)?,
            Long("skip-inbound-ports") => options.skip_inbound = parsed(&mut parser)?,
            Long("skip-outbound-ports") => options.skip_outbound = parsed(&mut parser)?,
            Long("expect-addresses") => options.addresses = addresses(&mut parser)?,
            Long("verify") => only_verifies = true,
            Short('h') | Long("help") => return Ok(Command::Help),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(if only_verifies { Command::VerifyCapture(options) } else { Command::Init(options) })
}

fn addresses(parser: &mut lexopt::Parser) -> Result<Vec<IpAddr>, lexopt::Error> {
    parser.value()?.parse_with(|text| text.split(',').map(str::parse).collect::<Result<_, _>>())
}

fn parsed<T: FromStr>(parser: &mut lexopt::Parser) -> Result<T, lexopt::Error>
where
    T::Err: Into<Box<dyn std::error::Error + Send + Sync + 'static>>,
{
    parser.value()?.parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Command, String> {
        Command::parse(lexopt::Parser::from_args(arguments)).map_err(|error| error.to_string())
    }

    #[test]
    fn init_takes_what_the_webhook_gives_it() {
        let arguments = [
            "init",
            "--outbound-port",
            "15101",
            "--inbound-port=15106",
            "--proxy-uid",
            "2112",
            "--skip-inbound-ports",
            "15120,15121,9000",
            "--skip-outbound-ports",
            "",
        ];
        let expected = Options { skip_inbound: "15120,15121,9000".parse().unwrap(), ..Options::default() };
        assert_eq!(parse(&arguments), Ok(Command::Init(expected)));
    }

    #[test]
    fn the_agent_of_a_node_says_whose_namespace_it_is_and_a_pod_looks_for_itself() {
        let addresses = vec!["10.244.0.5".parse().unwrap(), "fd00::5".parse().unwrap()];
        assert_eq!(
            parse(&["init", "--expect-addresses", "10.244.0.5,fd00::5"]),
            Ok(Command::Init(Options { addresses, ..Options::default() }))
        );
        assert!(parse(&["init", "--expect-addresses", "here"]).is_err());
        assert_eq!(parse(&["init", "--verify"]), Ok(Command::VerifyCapture(Options::default())));
    }

    #[test]
    fn a_mistake_is_named() {
        assert_eq!(
            parse(&[]).unwrap_err(),
            "say what to do: run, init, front, ready, drain, show, inspect or loglevel"
        );
        assert!(parse(&["start"]).unwrap_err().contains("`start` is no command"));
        assert!(parse(&["run", "--port", "1"]).unwrap_err().contains("--port"));
        let error = parse(&["init", "--skip-inbound-ports", "http"]).unwrap_err();
        assert!(error.contains("`http` is no port"), "{error}");
    }

    #[test]
    fn a_running_proxy_is_shown_and_told_what_to_log() {
        assert_eq!(parse(&["show", "config"]), Ok(Command::Show(Shown::Config)));
        assert_eq!(parse(&["loglevel", "info,h2=debug"]), Ok(Command::LogLevel("info,h2=debug".to_owned())));
        assert_eq!(parse(&["inspect", "explain"]), Ok(Command::Inspect(Inspected::Explain)));
        assert_eq!(parse(&["inspect", "tap"]), Ok(Command::Inspect(Inspected::Tap)));
        assert!(parse(&["inspect"]).unwrap_err().contains("expected explain"));
        assert!(parse(&["show"]).unwrap_err().contains("expected config, balancers or loglevel"));
        assert!(parse(&["show", "config", "more"]).is_err());
    }

    #[test]
    fn help_teaches_every_command() {
        for command in ["run", "init", "front", "ready", "drain", "show", "inspect", "loglevel"] {
            assert!(HELP.contains(&format!("\n  {command} ")), "{command}");
            assert_eq!(parse(&[command, "--help"]), Ok(Command::Help));
        }
    }
}
