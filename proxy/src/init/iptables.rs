//! Runs the iptables tools. Debian ships each twice: over nf_tables and over the older ip_tables.

use std::fmt;
use std::io::{self, Write};
use std::process::{Command, Output, Stdio};

use super::rules::{Family, Ruleset};

/// Which of the kernel's rule engines is programmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// nf_tables, through `iptables-nft-*`.
    Nft,
    /// ip_tables, through `iptables-legacy-*`.
    Legacy,
}

/// The tools of one engine.
#[derive(Clone, Copy, Debug)]
pub struct Tools {
    backend: Backend,
}

/// What a tool answered instead of doing its work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It could not be started.
    #[error("{tool} did not start: {source}")]
    NotStarted { tool: String, source: io::Error },
    /// It ran and refused.
    #[error("{tool} failed: {message}")]
    Failed { tool: String, message: String },
}

// === impl Tools ===

impl Tools {
    pub fn new(backend: Backend) -> Self {
        Self { backend }
    }

    /// Writes the rules, all of a table or nothing of it.
    pub fn program(&self, ruleset: &Ruleset) -> Result<(), Failure> {
        let saved = self.saved(ruleset.family)?;
        let input = ruleset.restore_input(&saved);
        self.call(ruleset.family, "restore", &["--noflush"], &input).map(drop)
    }

    /// What is in the kernel now, in the format of `iptables-save`.
    pub fn saved(&self, family: Family) -> Result<String, Failure> {
        self.call(family, "save", &[], "")
    }

    fn call(&self, family: Family, verb: &str, arguments: &[&str], input: &str) -> Result<String, Failure> {
        let tool = format!("{}-{}-{verb}", command(family), self.backend.suffix());
        let output = run(&tool, arguments, input)
            .map_err(|source| Failure::NotStarted { tool: tool.clone(), source })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let message = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
        Err(Failure::Failed {
            tool,
            message: if message.is_empty() { output.status.to_string() } else { message },
        })
    }
}

fn command(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "iptables",
        Family::Ipv6 => "ip6tables",
    }
}

fn run(tool: &str, arguments: &[&str], input: &str) -> io::Result<Output> {
    let mut child = Command::new(tool)
        .args(arguments)
        // The legacy tools lock a file under /run against each other. In a container with a read-only root they
        // cannot, and need not: nothing else programs this network namespace.
        .env("XTABLES_LOCKFILE", "/dev/null")
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output()?;
    match written {
        // A tool that gives up early has said why on stderr, which says more than the broken pipe.
        Err(error) if output.status.success() => Err(error),
        _ => Ok(output),
    }
}

// === impl Failure ===

impl Failure {
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::NotStarted { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    pub(super) fn lacks_permission(&self) -> bool {
        let message = self.to_string();
        ["Permission denied", "Operation not permitted", "you must be root"]
            .iter()
            .any(|sign| message.contains(sign))
    }
}

// === impl Backend ===

impl Backend {
    fn suffix(self) -> &'static str {
        match self {
            Self::Nft => "nft",
            Self::Legacy => "legacy",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nft => "iptables over nf_tables",
            Self::Legacy => "iptables over ip_tables (legacy)",
        })
    }
}
