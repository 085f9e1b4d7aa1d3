//! `weft-cni`: one program for the two sides of CNI mode. The container runtime runs it as a chained CNI plugin for each pod;
//! a DaemonSet runs it as the agent of the node, which programs the rules and keeps the plugin in place.

mod agent;
mod capture;
mod conflist;
mod install;
mod plugin;
mod protocol;

use std::env;
use std::io::{Read, stdin};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use install::Places;

const HELP: &str = "\
weft-cni: captures the traffic of Weft's pods from the node

The container runtime runs it as a CNI plugin, by the variable CNI_COMMAND. The DaemonSet of the chart weft-cni runs it as:

  weft-cni agent    Puts the plugin into the node's network configuration, keeps it there, and programs the rules of pods.
  weft-cni ready    Says whether the agent on this node captures, and what it waits for if not. Exits 0 when ready.
  weft-cni remove   Takes the plugin out of the node's network configuration, and waits until it is stopped.
  weft-cni removed  Exits 0 when no network configuration of the node has the plugin.

Variables:
  WEFT_CNI_CONF_DIR   Network configurations of the runtime   [default: /etc/cni/net.d]
  WEFT_CNI_BIN_DIR    Where the runtime looks for plugins     [default: /opt/cni/bin]
  WEFT_CNI_SOCKET     Where plugin and agent meet             [default: /run/weft-cni/agent.sock]
  WEFT_PROXY_BINARY   What programs the rules                 [default: /usr/local/bin/weft-proxy]
";

fn main() -> ExitCode {
    if let Ok(command) = env::var("CNI_COMMAND") {
        return as_plugin(&command);
    }
    let done = match env::args().nth(1).as_deref() {
        Some("agent") => {
            agent::run(&Places::from_env(), &variable("WEFT_PROXY_BINARY", "/usr/local/bin/weft-proxy"))
        }
        Some("ready") => agent::ask(&Places::from_env().socket),
        Some("removed") => install::check_removed(&Places::from_env()),
        Some("remove") => install::remove(&Places::from_env()).map(|()| park()),
        Some("-h" | "--help" | "help") => {
            print!("{HELP}");
            Ok(())
        }
        other => {
            let said = other.map_or("nothing".to_owned(), |word| format!("`{word}`"));
            eprintln!(
                "weft-cni: say what to do: agent, ready, remove or removed, not {said}\nTry `weft-cni --help`."
            );
            return ExitCode::from(2);
        }
    };
    done.map_or_else(
        |why| {
            eprintln!("weft-cni: {why}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

/// Standard output is what the runtime reads: a result, or an error in the form of the specification.
fn as_plugin(command: &str) -> ExitCode {
    let mut config = String::new();
    let outcome = match stdin().take(plugin::MAX_CONFIG).read_to_string(&mut config) {
        Ok(_) => plugin::run(command, &config, &plugin::Invocation::from_env()),
        Err(error) => Err(plugin::Refusal::io(&error)),
    };
    match outcome {
        Ok(result) => {
            print!("{result}");
            ExitCode::SUCCESS
        }
        Err(refusal) => {
            print!("{}", refusal.to_json(&config));
            ExitCode::FAILURE
        }
    }
}

fn variable(name: &str, default: &str) -> PathBuf {
    env::var_os(name).map_or_else(|| default.into(), PathBuf::from)
}

/// A DaemonSet starts what ends once more, so what is done stays until it is told to go.
fn park() {
    println!("weft-cni: removed from this node; waiting to be stopped");
    loop {
        thread::park();
    }
}
