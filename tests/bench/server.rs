//! Server processes that end with the benchmark, whatever ends it.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tests::backends::{Program, binary};

use crate::failure::Failure;
use crate::load::Connection;
use crate::procfs::ProcessTree;

const START_LIMIT: Duration = Duration::from_secs(20);
/// After that a server that was asked to end is killed.
const STOP_LIMIT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

/// A server of somebody's on a loopback port. Dropping it ends it.
#[derive(Debug)]
pub struct Server {
    name: String,
    port: u16,
    log: PathBuf,
    child: Child,
    /// The signal it ends on with all its children.
    signal: &'static str,
}

impl Server {
    /// Starts `command` with its output in `folder/<name>.log`; it is expected to listen on `port`.
    pub fn start(name: &str, port: u16, mut command: Command, folder: &Path) -> Result<Self, Failure> {
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log)?;
        let child = command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).spawn()?;
        Ok(Self { name: name.to_owned(), port, log, child, signal: "TERM" })
    }

    /// The same, ended by another signal than SIGTERM.
    pub fn ended_by(mut self, signal: &'static str) -> Self {
        self.signal = signal;
        self
    }

    /// Waits until it accepts connections.
    pub async fn accepting(mut self) -> Result<Self, Failure> {
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if self.child.try_wait()?.is_some() || Instant::now() > deadline {
                return Err(self.failed("does not start"));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(self)
    }

    /// Waits until it answers 200 to a GET of `path`: our services listen before they are ready.
    pub async fn answering(self, path: &str) -> Result<Self, Failure> {
        let server = self.accepting().await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let asked = async {
                Connection::open(&server.address()).await?.exchange(request.as_bytes()).await.map(|(status, _)| status)
            };
            match tokio::time::timeout(START_LIMIT, asked).await {
                Ok(Ok(200)) => return Ok(server),
                Ok(_) if Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
                Ok(_) | Err(_) => return Err(server.failed("does not become ready")),
            }
        }
    }

    /// `127.0.0.1:<port>`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its CPU time and memory, with its children's.
    pub fn processes(&self) -> Result<ProcessTree, Failure> {
        ProcessTree::of(self.child.id())
    }

    /// A failure that shows the end of its log.
    pub fn failed(&self, what: &str) -> Failure {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(15)..].join("\n");
        Failure::said(format!("{} {what}:\n{end}", self.name))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let asked = Command::new("kill").args([&format!("-{}", self.signal), &self.child.id().to_string()]).status();
        let deadline =
            Instant::now() + if asked.is_ok_and(|status| status.success()) { STOP_LIMIT } else { Duration::ZERO };
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            #[expect(clippy::disallowed_methods, reason = "`drop` cannot await, and nothing else is going on")]
            std::thread::sleep(PAUSE);
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A command for a program that is ended with us even if we are killed.
pub fn command(program: &'static str) -> Result<Command, Failure> {
    Ok(Program::find(program)?.command())
}

/// One of our own services, beside the benchmark's executable, with nobody's settings but those it is given here.
pub fn ours(name: &str) -> Result<Command, Failure> {
    let mut command = bound(&binary(name)?);
    let inherited = shared::config::process_env().into_iter().map(|(name, _)| name);
    for name in inherited.filter(|name| name.starts_with("TOLLGATE_")) {
        command.env_remove(name);
    }
    Ok(command)
}

/// A command for an executable that the kernel kills when we end.
pub fn bound(executable: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(executable);
    command
}
