//! The program `weft-proxy`: reads the command line, and leaves the work to the library.

mod command;

use std::io::{BufRead, BufReader, Read, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use command::{Command, Inspected};
use weft_proxy::admin::client::{self, Answer, Question};
use weft_proxy::{app, config::Config, front, init, log, names, panic, socket};

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

/// How long the last lines of the log may take, when nobody reads them.
const FLUSH_LIMIT: Duration = Duration::from_millis(500);

/// Until the control plane has said more. What other crates say of strangers has no bound, and is never written.
const FRONT_LOG: &str = "off,weft_proxy=warn";

/// A question is no longer than this.
const MAX_QUESTION: u64 = 128 * 1024;

const UNANSWERED: &str = "the proxy in this container does not answer on its admin socket";

fn main() -> ExitCode {
    panic::ends_the_process();
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
        Command::VerifyCapture(options) => {
            if let Err(error) = init::verify(&options) {
                eprintln!("weft-proxy: {error}");
                return Ok(ExitCode::from(names::UNCAPTURED_EXIT_CODE));
            }
            println!("weft-proxy init: the pod's traffic is captured");
        }
        Command::Run => run()?,
        Command::Front => front()?,
        Command::Ready => return Ok(ready()),
        Command::Drain => return Ok(drain()),
        Command::Show(what) => {
            return admin(Question { method: "GET", path: what.path(), body: "" });
        }
        Command::Inspect(Inspected::Explain) => {
            return admin(Question { method: "POST", path: "/explain", body: &question()? });
        }
        Command::Inspect(Inspected::Tap) => return tap(),
        Command::LogLevel(filter) => {
            return admin(Question { method: "PUT", path: "/loglevel", body: &filter });
        }
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
        .block_on(async {
            let ended = app::run(config, log.clone()).await;
            log.flush(FLUSH_LIMIT).await;
            ended
        })
}

/// All of it is on one thread: the core is shared with the control plane.
fn front() -> anyhow::Result<()> {
    let socket = socket::inherited();
    let log = log::start(FRONT_LOG)?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(async {
            let ended = front::run(socket, &log).await;
            log.flush(FLUSH_LIMIT).await;
            Ok(ended?)
        })
}

/// One line of standard input. An end of file is not waited for: who asks through the API server cannot send one everywhere.
fn question() -> anyhow::Result<String> {
    let mut line = String::new();
    BufReader::new(stdin().take(MAX_QUESTION)).read_line(&mut line).context("cannot read the question")?;
    Ok(line)
}

/// Prints requests until whoever asked leaves: that ends standard input, or standard output.
fn tap() -> anyhow::Result<ExitCode> {
    let question = question()?;
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    let asked = Question { method: "POST", path: "/tap", body: &question };
    let answer = client::follow(&admin_socket(), asked, std::io::stdout()).context(UNANSWERED)?;
    if !answer.is_success() {
        println!("{}", answer.body.trim_end());
    }
    Ok(ExitCode::from(u8::from(!answer.is_success())))
}

fn ready() -> ExitCode {
    match client::get(names::METRICS_PORT, "/ready") {
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

/// Prints what the proxy knows, or carries out a command. Fails where there is no proxy.
fn admin(question: Question<'_>) -> anyhow::Result<ExitCode> {
    let answer = ask(question).context(UNANSWERED)?;
    println!("{}", answer.body.trim_end());
    Ok(ExitCode::from(u8::from(!answer.is_success())))
}

fn ask(question: Question<'_>) -> std::io::Result<Answer> {
    client::ask(&admin_socket(), question)
}

fn admin_socket() -> PathBuf {
    Path::new(names::STATE_DIR).join(names::ADMIN_SOCKET)
}

/// Without a proxy there is no socket, or nobody listens on one that was left.
fn is_not_running(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::NotFound)
}

/// A preStop hook that fails makes an event that alarms people, so a proxy that is gone already is no failure.
fn drain() -> ExitCode {
    match ask(Question { method: "POST", path: "/drain", body: "" }) {
        Ok(answer) => {
            println!("{}", answer.body.trim_end());
            ExitCode::from(u8::from(!answer.is_success()))
        }
        Err(error) if is_not_running(&error) => {
            println!("nothing to drain: no proxy is running here");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("the proxy ended while draining: {error}");
            ExitCode::SUCCESS
        }
    }
}
