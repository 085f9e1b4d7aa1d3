//! The program `weft-proxy`: reads the command line, and leaves the work to the library.

mod command;

use std::process::ExitCode;

use anyhow::Context;
use command::Command;
use weft_proxy::{admin, app, config::Config, init, log, names};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Read by jemalloc when the process starts. One arena, and freed pages given back within a second: the proxy has few
/// threads, and its memory after a burst matters more than the last few percent of throughput. A thread of jemalloc's own
/// gives them back; without it nothing would happen in a proxy that a load has left, since only allocating looks at the
/// time.
#[allow(unsafe_code, reason = "the linker must find the symbol under the name jemalloc looks for")]
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static MALLOC_CONF: &[u8; 105] = b"narenas:1,dirty_decay_ms:1000,muzzy_decay_ms:0,thp:never,\
    background_thread:true,max_background_threads:1\0";

fn main() -> ExitCode {
    let outcome = match Command::from_args() {
        Ok(command) => execute(command),
        Err(error) => {
            eprintln!("weft-proxy: {error}\nTry `weft-proxy --help`.");
            return ExitCode::from(2);
        }
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("weft-proxy: {error:#}");
        ExitCode::FAILURE
    })
}

fn execute(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Help => print!("{}", command::HELP),
        Command::Version => println!("weft-proxy {}", env!("CARGO_PKG_VERSION")),
        Command::Init(options) => println!("weft-proxy init: {}", init::run(&options)?),
        Command::Run => run()?,
        Command::Ready => return Ok(ready()),
        Command::Drain => return Ok(drain()),
    }
    Ok(ExitCode::SUCCESS)
}

/// The data path has threads of its own; this one looks after identity, configuration, probes and administration.
fn run() -> anyhow::Result<()> {
    let config = Config::from_env()?;
    let log = log::start(&config.log)?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(app::run(config, log))
}

fn ready() -> ExitCode {
    match admin::client::get(names::METRICS_PORT, "/ready") {
        Ok(answer) => {
            println!("{}", answer.body.trim_end());
            ExitCode::from(u8::from(!answer.is_success()))
        }
        Err(error) => {
            println!("not ready: the proxy does not answer on port {}: {error}", names::METRICS_PORT);
            ExitCode::FAILURE
        }
    }
}

/// A preStop hook that fails makes an event that alarms people, so a proxy that is gone already is no failure.
fn drain() -> ExitCode {
    match admin::client::post(names::ADMIN_PORT, "/drain") {
        Ok(answer) => {
            println!("{}", answer.body.trim_end());
            ExitCode::from(u8::from(!answer.is_success()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            println!("nothing to drain: no proxy is running here");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("the proxy ended while draining: {error}");
            ExitCode::SUCCESS
        }
    }
}
