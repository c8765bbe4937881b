//! A throw-away PostgreSQL that is as durable as a real one: fsync and synchronous_commit stay on.

use std::fs;
use std::io::{Seek, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use sqlx::{Connection, Executor, PgConnection};
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
/// The same for both sides. Checkpoints do not fall into some rounds and not into others.
const SETTINGS: [&str; 10] = [
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "listen_addresses=127.0.0.1",
    "max_connections=150",
    "shared_buffers=256MB",
    "min_wal_size=6GB",
    "max_wal_size=8GB",
    "checkpoint_timeout=30min",
    "autovacuum_naptime=10s",
];

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
    pub async fn start(logs: &Path) -> Result<Self, Failure> {
        let folder = if Path::new(DISK).is_dir() { TempDir::new_in(DISK)? } else { TempDir::new()? };
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
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        // SIGQUIT: at once and with its children; there is nothing to save.
        let server = Server::start("postgres", port, command, logs)?.ended_by("QUIT").accepting().await?;
        let postgres =
            Self { url: format!("postgres://{USER}@127.0.0.1:{port}/postgres"), port, server, _folder: folder };
        postgres.answering().await?;
        postgres.fill_log().await?;
        Ok(postgres)
    }

    /// A connection to it.
    pub async fn connect(&self) -> Result<PgConnection, Failure> {
        Ok(PgConnection::connect(&self.url).await?)
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
