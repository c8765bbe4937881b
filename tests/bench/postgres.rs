//! A throw-away PostgreSQL that is as durable as a real one: fsync and synchronous_commit stay on.

use std::fs;
use std::io::{Seek, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;
use tests::backends::{Program, free_port};

use crate::failure::Failure;
use crate::procfs::ProcessTree;
use crate::report::median;
use crate::server::Server;

/// The unprivileged user that PostgreSQL's packages create; its server refuses to run as root.
const USER: &str = "postgres";
/// On a disk even where /tmp is memory.
const DISK: &str = "/var/tmp";
/// It accepts connections before it answers them.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Segments of 16 MiB that are there before anybody measures, so that, as on a server that has run for a day, the log
/// goes on in old files: to make a new one takes tens of milliseconds, once a second at our rate.
const SEGMENTS: u32 = 320;
/// The same for both sides.
const SETTINGS: [&str; 7] = [
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "listen_addresses=127.0.0.1",
    "max_connections=150",
    "shared_buffers=256MB",
    "autovacuum_naptime=10s",
];

/// When a server makes checkpoints, and so how much of its log it keeps.
#[derive(Debug, Clone, Copy)]
pub enum Checkpoints {
    /// After the run: they do not fall into some rounds and not into others.
    After,
    /// All the time, as where data is kept for long: one about every gigabyte of log, which is used again.
    Throughout,
}

impl Checkpoints {
    const fn settings(self) -> [&'static str; 3] {
        match self {
            Self::After => ["min_wal_size=6GB", "max_wal_size=8GB", "checkpoint_timeout=30min"],
            Self::Throughout => ["min_wal_size=80MB", "max_wal_size=2GB", "checkpoint_timeout=5min"],
        }
    }
}

/// A running server. Dropping it stops the server, then removes its folder.
#[derive(Debug)]
pub struct Postgres {
    /// `postgres://…` of its maintenance database.
    pub url: String,
    /// Its port, for pgbench.
    pub port: u16,
    server: Server,
    _folder: TempDir,
}

impl Postgres {
    /// Makes one and waits until it answers. Logs go to `logs`.
    pub async fn start(logs: &Path, checkpoints: Checkpoints) -> Result<Self, Failure> {
        let folder = folder_on_disk()?;
        let data = make_folder(folder.path())?;
        let made = Program::find("initdb")?
            .as_user(USER)
            .command()
            .args(["--auth", "trust", "--username", USER, "--encoding", "UTF8", "--locale", "C.UTF-8", "--pgdata"])
            .arg(&data)
            .output()?;
        if !made.status.success() {
            return Err(Failure::said(format!("initdb: {}", String::from_utf8_lossy(&made.stderr))));
        }
        let port = free_port()?;
        let mut command = Program::find("postgres")?.as_user(USER).command();
        command.arg("-D").arg(&data).args(["-p", &port.to_string()]).arg("-k").arg(&data);
        for setting in SETTINGS.into_iter().chain(checkpoints.settings()) {
            command.args(["-c", setting]);
        }
        // SIGQUIT: at once and with its children; there is nothing to save.
        let server = Server::start("postgres", port, command, logs)?.ended_by("QUIT").accepting().await?;
        let postgres =
            Self { url: format!("postgres://{USER}@127.0.0.1:{port}/postgres"), port, server, _folder: folder };
        postgres.answering().await?;
        if matches!(checkpoints, Checkpoints::After) {
            postgres.fill_log().await?;
        }
        Ok(postgres)
    }

    /// A connection to it.
    pub async fn connect(&self) -> Result<PgConnection, Failure> {
        Ok(PgConnection::connect(&self.url).await?)
    }

    /// The URL of another database, which is made.
    pub async fn make_database(&self, name: &'static str) -> Result<String, Failure> {
        self.connect().await?.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await?;
        Ok(format!("postgres://{USER}@127.0.0.1:{}/{name}", self.port))
    }

    /// Its CPU time and memory, all backends together.
    pub fn processes(&self) -> Result<ProcessTree, Failure> {
        self.server.processes()
    }

    /// Bytes of write-ahead log written so far.
    pub async fn wal_bytes(&self) -> Result<f64, Failure> {
        let sql = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8";
        Ok(sqlx::query_scalar(sql).fetch_one(&mut self.connect().await?).await?)
    }

    /// How long the disk under it takes to make 8 KiB durable: fdatasync(2), the median of 200, in microseconds.
    pub fn sync_micros() -> Result<f64, Failure> {
        let mut file = if Path::new(DISK).is_dir() { tempfile::tempfile_in(DISK)? } else { tempfile::tempfile()? };
        let mut times = Vec::with_capacity(200);
        for _ in 0..200 {
            file.rewind()?;
            file.write_all(&[0x55; 8192])?;
            let begun = Instant::now();
            file.sync_data()?;
            times.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        Ok(median(times))
    }

    async fn fill_log(&self) -> Result<(), Failure> {
        let mut connection = self.connect().await?;
        // A segment is left only when something is in it.
        let step = "SELECT pg_logical_emit_message(false, 'bench', ''), pg_switch_wal()";
        for _ in 0..SEGMENTS {
            connection.execute(step).await?;
        }
        connection.execute("CHECKPOINT").await?;
        Ok(())
    }

    async fn answering(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + START_LIMIT;
        while let Err(failure) = self.connect().await {
            if Instant::now() > deadline {
                return Err(failure);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

/// A folder on the disk that the servers write to, removed when it is dropped.
pub fn folder_on_disk() -> Result<TempDir, Failure> {
    Ok(if Path::new(DISK).is_dir() { TempDir::new_in(DISK)? } else { TempDir::new()? })
}

/// Fails when so many bytes are not free on that disk.
pub fn require_room(bytes: u64) -> Result<(), Failure> {
    let folder = folder_on_disk()?;
    let answer = Command::new("df").args(["--output=avail", "--block-size=1"]).arg(folder.path()).output()?;
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    let free: u64 = text.lines().nth(1).and_then(|line| line.trim().parse().ok()).unwrap_or_default();
    if free >= bytes {
        return Ok(());
    }
    let (free, bytes) = (free >> 30, bytes >> 30);
    Err(Failure::said(format!("{free} GiB are free on the disk of {DISK}, and this part may need {bytes} GiB")))
}

/// `folder/data`, owned by the user that will run the server.
fn make_folder(folder: &Path) -> Result<PathBuf, Failure> {
    let data = folder.join("data");
    fs::create_dir(&data)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    let id = Command::new("id").args(["-u", USER]).output()?;
    if let Ok(uid) = String::from_utf8_lossy(&id.stdout).trim().parse() {
        // Refused when we are not root: then the server runs as us.
        drop(chown(&data, Some(uid), None));
    }
    Ok(data)
}
