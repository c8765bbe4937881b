//! A throw-away PostgreSQL: one folder, one free port, gone when dropped.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::programs::{free_port, is_root};
use super::{BackendError, Program, connect};

/// The unprivileged user PostgreSQL's packages create.
const USER: &str = "postgres";
/// What it says goes there.
const LOG: &str = "postgres.log";
/// How long a server may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Of every server.
const SETTINGS: &[&str] =
    &["max_connections=400", "shared_buffers=64MB", "listen_addresses=127.0.0.1", "log_min_messages=fatal"];
/// fsync is off: what these tests kill is our process, never the machine.
const QUICK: &[&str] = &["fsync=off", "full_page_writes=off", "max_wal_size=4GB"];
/// As a server whose data somebody cares for. Its log has to fit where [`Cluster::durable`] was told to put it.
const DURABLE: &[&str] = &["fsync=on", "synchronous_commit=on", "full_page_writes=on", "max_wal_size=96MB"];

/// A running server. Dropping it stops the server and removes its folder.
#[derive(Debug)]
pub struct Cluster {
    /// `postgres://…` of its maintenance database; the role may do anything.
    pub url: String,
    /// Where it listens.
    pub addr: SocketAddr,
    folder: PathBuf,
    settings: &'static [&'static str],
    server: Child,
}

impl Cluster {
    /// Makes and starts one in `folder`, which must not hold anything.
    ///
    /// # Errors
    /// [`BackendError`] with what `initdb` or `postgres` wrote.
    pub async fn start(folder: &Path) -> Result<Self, BackendError> {
        Self::made(folder, None, QUICK).await
    }

    /// The same with fsync on, to be killed; its write-ahead log lies in `log_folder`, where there is one.
    ///
    /// # Errors
    /// [`BackendError`] with what `initdb` or `postgres` wrote.
    pub async fn durable(folder: &Path, log_folder: Option<&Path>) -> Result<Self, BackendError> {
        Self::made(folder, log_folder, DURABLE).await
    }

    async fn made(
        folder: &Path,
        log_folder: Option<&Path>,
        settings: &'static [&'static str],
    ) -> Result<Self, BackendError> {
        let data = make_folder(folder)?;
        let mut initdb = Program::find("initdb")?.as_user(USER).command();
        initdb.args(["--no-sync", "--auth", "trust", "--username", USER, "--encoding", "UTF8", "--locale", "C.UTF-8"]);
        if let Some(log_folder) = log_folder {
            initdb.arg("--waldir").arg(make_folder(log_folder)?);
        }
        let made = initdb.arg("--pgdata").arg(&data).output()?;
        if !made.status.success() {
            return Err(BackendError::Failed {
                program: "initdb",
                output: String::from_utf8_lossy(&made.stderr).into_owned(),
            });
        }
        let addr = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let server = spawn(folder, addr, settings)?;
        let url = format!("postgres://{USER}@{addr}/postgres");
        let cluster = Self { url, addr, folder: folder.to_owned(), settings, server };
        cluster.answers(&folder.join(LOG)).await?;
        Ok(cluster)
    }

    /// The postmaster's process.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.server.id()
    }

    /// `kill -9` of the postmaster alone; its children find out by themselves.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<(), BackendError> {
        self.server.kill()?;
        self.server.wait()?;
        Ok(())
    }

    /// Whether the postmaster runs.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn runs(&mut self) -> Result<bool, BackendError> {
        Ok(self.server.try_wait()?.is_none())
    }

    /// Starts it again where it was, and waits until it has recovered. While children of the killed one live it refuses to
    /// start, and is asked again.
    ///
    /// # Errors
    /// [`BackendError`] with what `postgres` wrote, when it does not answer in time.
    pub async fn revive(&mut self) -> Result<(), BackendError> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if !self.runs()? {
                self.server = spawn(&self.folder, self.addr, self.settings)?;
            }
            if connect(&self.url).await.is_ok() {
                return Ok(());
            }
            if Instant::now() > deadline {
                let output = fs::read_to_string(self.folder.join(LOG)).unwrap_or_default();
                return Err(BackendError::Failed { program: "postgres", output });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn answers(&self, log: &Path) -> Result<(), BackendError> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            match connect(&self.url).await {
                Ok(_) => return Ok(()),
                Err(_) if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(error) => {
                    let output = format!("{error}; {}", fs::read_to_string(log).unwrap_or_default());
                    return Err(BackendError::Failed { program: "postgres", output });
                }
            }
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SIGQUIT: at once and with its children; there is nothing to save.
        let asked = Command::new("kill").args(["-QUIT", &self.server.id().to_string()]).status();
        if !asked.is_ok_and(|status| status.success()) {
            drop(self.server.kill());
        }
        drop(self.server.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn spawn(folder: &Path, addr: SocketAddr, settings: &[&str]) -> Result<Child, BackendError> {
    let data = folder.join("data");
    let mut command = Program::find("postgres")?.as_user(USER).command();
    command.arg("-D").arg(&data).args(["-p", &addr.port().to_string()]).arg("-k").arg(&data);
    for setting in SETTINGS.iter().chain(settings) {
        command.args(["-c", setting]);
    }
    let log = File::create(folder.join(LOG))?;
    Ok(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()?)
}

/// `folder/data`, owned by the user that will run the server.
fn make_folder(folder: &Path) -> Result<PathBuf, BackendError> {
    let data = folder.join("data");
    fs::create_dir_all(&data)?;
    if is_root() {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
        let id = Command::new("id").args(["-u", USER]).output()?;
        let uid = String::from_utf8_lossy(&id.stdout)
            .trim()
            .parse()
            .map_err(|_| BackendError::Missing("postgres (its system user)"))?;
        chown(&data, Some(uid), None)?;
    }
    Ok(data)
}
