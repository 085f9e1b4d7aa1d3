//! Real servers from Debian behind real proxies: PostgreSQL, MariaDB, Redis and an SMTP server, with their own clients.
//! Nobody declares what they speak, two of them speak first, and none may be held up.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::mesh::{Mesh, Setup, pause, service};
use support::netns::{APPLICATION, Pod, succeed};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weft_proxy::wire::weft::v1::Protocol;

/// Starting a database takes a while on a busy machine.
const STARTS_WITHIN: Duration = Duration::from_secs(60);
/// What detection may add for a server that speaks first: the caller's silence that makes the proxy listen to both, and
/// room for a busy machine. The 3 s after which an undeclared connection counts as opaque are far beyond.
const STALL: Duration = Duration::from_millis(1500);

/// A server, how it starts, and how its own client proves that it works.
struct Server {
    name: &'static str,
    port: u16,
    /// Prepares `$DIR` and ends in the server itself.
    start: &'static str,
    /// Asks `$HOST`; what it prints must hold `answer`.
    client: &'static str,
    answer: &'static str,
    /// What a raw client says first; empty where the server does.
    first: &'static [u8],
}

const SERVERS: [Server; 4] = [
    Server {
        name: "PostgreSQL",
        port: 5432,
        start: r#"
            bin=$(echo /usr/lib/postgresql/*/bin)
            chown postgres "$DIR"
            as="setpriv --reuid postgres --regid postgres --clear-groups"
            LC_ALL=C $as "$bin/initdb" --no-sync --auth trust -D "$DIR/data" >"$DIR/log"
            echo 'host all all all trust' >>"$DIR/data/pg_hba.conf"
            exec $as "$bin/postgres" -D "$DIR/data" -h '*' -k "$DIR" -c fsync=off
        "#,
        client: "psql -h $HOST -U postgres -Atc 'select 40 + 2'",
        answer: "42",
        // SSLRequest; the answer is one byte.
        first: b"\0\0\0\x08\x04\xd2\x16\x2f",
    },
    Server {
        name: "MariaDB",
        port: 3306,
        start: r#"
            chown mysql "$DIR"
            mariadb-install-db --no-defaults --user=mysql --datadir="$DIR/data" >"$DIR/log"
            echo "create user weft@'%' identified by 'secret';" >"$DIR/init.sql"
            chown mysql "$DIR/init.sql"
            exec mariadbd --no-defaults --user=mysql --datadir="$DIR/data" --socket="$DIR/socket" \
              --skip-name-resolve --pid-file="$DIR/pid" --bind-address='*' --init-file="$DIR/init.sql"
        "#,
        client: "mariadb --no-defaults -h $HOST -u weft -psecret -sNe 'select 40 + 2'",
        answer: "42",
        first: b"",
    },
    Server {
        name: "Redis",
        port: 6379,
        start: r#"exec redis-server --protected-mode no --save "" --dir "$DIR" --bind '*' '-::*'"#,
        client: "redis-cli -h $HOST eval 'return 40 + 2' 0",
        answer: "42",
        first: b"PING\r\n",
    },
    Server {
        name: "SMTP",
        port: 2525,
        start: "exec /usr/bin/python3 -m aiosmtpd -n -l 0.0.0.0:2525 -c aiosmtpd.handlers.Debugging stdout",
        client: r#"/usr/bin/python3 -c "
import smtplib, os
smtp = smtplib.SMTP(os.environ['HOST'], 2525, timeout=10)
print(smtp.sendmail('a@example.org', ['b@example.org'], 'Subject: hello\r\n\r\nbody'), smtp.quit())
""#,
        answer: "{} (221",
        first: b"",
    },
];

/// A server that runs until this is dropped.
struct Started {
    child: Child,
    _directory: TempDir,
}

#[test]
fn undeclared_protocols_of_real_servers_pass_without_a_stall() {
    succeed(&mut Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/servers.sh")));
    let mesh = Mesh::new();
    let stranger = mesh.stranger();
    let setup = |account| Setup { log: "info", ..Setup::new(account) };
    let (client, member) = (mesh.member_with(setup("web")), mesh.member_with(setup("database")));
    let running: Vec<Started> = SERVERS.iter().map(|server| Started::begin(server, &member.pod)).collect();
    println!("{:<12}{:>14}{:>14}{:>14}{:>14}", "", "no mesh", "plain caller", "declared", "undeclared");
    for server in &SERVERS {
        let pod = SocketAddr::new(member.pod.ipv4.into(), server.port);
        until_ready(server, &stranger, pod);
        let dialled = |host: &str, protocol| {
            let address = SocketAddr::new(host.parse().unwrap(), server.port);
            client.knows(address, &service(host, protocol, &[(&member, pod)]));
            address
        };
        let declared = dialled("10.96.0.5", Protocol::Opaque);
        let undeclared = dialled("10.96.0.6", Protocol::Unknown);
        for address in [declared, undeclared] {
            let said = shell(&client.pod, address, server.client);
            assert!(said.contains(server.answer), "{} at {address}: {said}", server.name);
        }
        let direct = first_answer(&member.pod, pod, server);
        let plain = first_answer(&stranger, pod, server);
        let declared = first_answer(&client.pod, declared, server);
        let undeclared = first_answer(&client.pod, undeclared, server);
        println!("{:<12}{direct:>14.1?}{plain:>14.1?}{declared:>14.1?}{undeclared:>14.1?}", server.name);
        assert!(plain.max(declared).max(undeclared) < direct + STALL, "{} is held up", server.name);
    }
    let metrics = client.metrics();
    let carried = |line: &&str| line.starts_with("weft_tcp_connections_total") && line.contains("mutual");
    assert!(metrics.lines().filter(carried).count() >= 2 * SERVERS.len(), "{metrics}");
    drop(running);
}

/// From the beginning of a connection to the first byte of an answer: the median of five.
fn first_answer(pod: &Pod, address: SocketAddr, server: &Server) -> Duration {
    let first = server.first;
    let mut times = pod.run(APPLICATION, || async move {
        let mut times = Vec::new();
        for _ in 0..5 {
            let started = Instant::now();
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(first).await.unwrap();
            let byte = tokio::time::timeout(Duration::from_secs(10), stream.read_u8()).await;
            byte.expect("an answer in time").expect("an answer");
            times.push(started.elapsed());
        }
        times
    });
    times.sort();
    times[times.len() / 2]
}

fn shell(pod: &Pod, address: SocketAddr, script: &str) -> String {
    let user = APPLICATION.to_string();
    let mut command = pod.command("setpriv");
    command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "sh", "-ec", script]);
    succeed(command.env("HOST", address.ip().to_string()).env("HOME", "/tmp"))
}

fn until_ready(server: &Server, from: &Pod, address: SocketAddr) {
    let deadline = Instant::now() + STARTS_WITHIN;
    let first = server.first;
    loop {
        let answered = from.run(APPLICATION, || async move {
            let answer = async {
                let mut stream = TcpStream::connect(address).await?;
                stream.write_all(first).await?;
                stream.read_u8().await
            };
            tokio::time::timeout(Duration::from_secs(2), answer).await.is_ok_and(|answer| answer.is_ok())
        });
        if answered {
            return;
        }
        assert!(Instant::now() < deadline, "{} does not start", server.name);
        pause();
    }
}

// === impl Started ===

impl Started {
    fn begin(server: &Server, pod: &Pod) -> Self {
        let directory = TempDir::new().unwrap();
        let log = std::fs::File::create(directory.path().join("server.log")).unwrap();
        // Only who may enter the directory finds what is in it.
        succeed(Command::new("chmod").arg("755").arg(directory.path()));
        let child = pod
            .command("bash")
            .args(["-euc", server.start])
            .env("DIR", directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, _directory: directory }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self._directory.path().join("server.log");
            eprintln!("--- log of a server\n{}---", std::fs::read_to_string(log).unwrap_or_default());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
