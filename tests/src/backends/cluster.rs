//! A throw-away PostgreSQL: one folder, one free port, gone when dropped.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::programs::{free_port, is_root};
use super::{BackendError, Program, connect};

/// The unprivileged user PostgreSQL's packages create.
const USER: &str = "postgres";
/// How long a server may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(30);
/// fsync is off: what these tests kill is our process, never the machine.
const SETTINGS: &[&str] = &[
    "fsync=off",
    "full_page_writes=off",
    "max_connections=400",
    "shared_buffers=64MB",
    "listen_addresses=127.0.0.1",
    "log_min_messages=fatal",
    "max_wal_size=4GB",
];

/// A running server. Dropping it stops the server and removes its folder.
#[derive(Debug)]
pub struct Cluster {
    /// `postgres://…` of its maintenance database; the role may do anything.
    pub url: String,
    folder: PathBuf,
    server: Child,
}

impl Cluster {
    /// Makes and starts one in `folder`, which must not hold anything.
    ///
    /// # Errors
    /// [`BackendError`] with what `initdb` or `postgres` wrote.
    pub async fn start(folder: &Path) -> Result<Self, BackendError> {
        let (initdb, postgres) = (Program::find("initdb")?.as_user(USER), Program::find("postgres")?.as_user(USER));
        let data = make_folder(folder)?;
        let made = initdb
            .command()
            .args([
                "--no-sync",
                "--auth",
                "trust",
                "--username",
                USER,
                "--encoding",
                "UTF8",
                "--locale",
                "C.UTF-8",
                "--pgdata",
            ])
            .arg(&data)
            .output()?;
        if !made.status.success() {
            return Err(BackendError::Failed {
                program: "initdb",
                output: String::from_utf8_lossy(&made.stderr).into_owned(),
            });
        }
        let port = free_port()?;
        let log = folder.join("postgres.log");
        let mut command = postgres.command();
        command.arg("-D").arg(&data).args(["-p", &port.to_string()]).arg("-k").arg(&data);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        let server = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?).spawn()?;
        let cluster =
            Self { url: format!("postgres://{USER}@127.0.0.1:{port}/postgres"), folder: folder.to_owned(), server };
        cluster.answers(&log).await?;
        Ok(cluster)
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
