//! A PostgreSQL for tests: the one `TEST_DATABASE_URL` names, else a throw-away cluster that ends with its last user.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

/// A server on which databases can be made.
pub struct Server {
    /// URL up to the database's name.
    base: String,
    cluster: Option<Cluster>,
}

/// A database of one test's own.
pub struct Database {
    pub url: String,
    name: String,
    server: Arc<Server>,
}

struct Cluster {
    postgres: Child,
    folder: PathBuf,
}

impl Server {
    fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    fn start() -> Self {
        let given = shared::config::process_env().into_iter().find(|(name, _)| name == "TEST_DATABASE_URL");
        if let Some((_, url)) = given {
            let base = url.rsplit_once('/').unwrap().0.to_owned();
            return Self { base, cluster: None };
        }
        let (cluster, port) = Cluster::start();
        Self { base: format!("postgres://postgres@127.0.0.1:{port}"), cluster: Some(cluster) }
    }
}

impl Database {
    pub async fn create() -> Self {
        let server = tokio::task::spawn_blocking(Server::shared).await.unwrap();
        let name = format!("accounts_{}", uuid::Uuid::new_v4().simple());
        let url = format!("{}/{name}", server.base);
        let this = Self { url, name, server };
        this.admin(&format!("CREATE DATABASE {}", this.name)).await;
        this
    }

    pub async fn remove(self) {
        if self.server.cluster.is_none() {
            self.admin(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
        }
    }

    async fn admin(&self, sql: &str) {
        let mut connection = PgConnection::connect(&format!("{}/postgres", self.server.base)).await.unwrap();
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await.unwrap();
    }
}

/// A primary with a standby that replays what it commits, both this test's own.
pub struct Pair {
    pub primary: String,
    pub standby: String,
    follower: Cluster,
    _leader: Cluster,
}

impl Pair {
    pub fn start() -> Self {
        let (leader, port) = Cluster::start();
        let folder = folder();
        let data = folder.join("data");
        let mut copy = unprivileged("pg_basebackup");
        copy.args([
            "-h",
            "127.0.0.1",
            "-p",
            &port.to_string(),
            "-U",
            "postgres",
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
            "-N",
        ]);
        done(copy.arg("-D").arg(&data));
        let (follower, other) = Cluster::serve(folder);
        let url = |port| format!("postgres://postgres@127.0.0.1:{port}/postgres");
        Self { primary: url(port), standby: url(other), follower, _leader: leader }
    }

    /// Ends the standby at once.
    pub fn kill_standby(&mut self) {
        done(Command::new("kill").args(["-QUIT", &self.follower.postgres.id().to_string()]));
        self.follower.postgres.wait().unwrap();
    }
}

impl Cluster {
    fn start() -> (Self, u16) {
        let folder = folder();
        done(unprivileged("initdb").args(["-U", "postgres", "-A", "trust", "-N", "-D"]).arg(folder.join("data")));
        Self::serve(folder)
    }

    /// Serves the data in `folder`.
    fn serve(folder: PathBuf) -> (Self, u16) {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let postgres = unprivileged("postgres")
            .arg("-D")
            .arg(folder.join("data"))
            .args(["-p", &port.to_string(), "-k"])
            .arg(&folder)
            .args(["-c", "max_connections=200", "-c", "fsync=off"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut this = Self { postgres, folder };
        this.wait(port);
        (this, port)
    }

    fn wait(&mut self, port: u16) {
        let patience = Instant::now() + Duration::from_secs(30);
        while !ready(port) {
            assert!(Instant::now() < patience, "the throw-away PostgreSQL did not start");
            assert!(self.postgres.try_wait().unwrap().is_none(), "the throw-away PostgreSQL stopped at once");
            std::thread::yield_now();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SIGINT: fast shutdown, which also ends its children.
        drop(Command::new("kill").args(["-INT", &self.postgres.id().to_string()]).status());
        drop(self.postgres.wait());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// A folder that PostgreSQL's user may write in.
fn folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("tollgate-pg-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir(&folder).unwrap();
    if is_root() {
        done(Command::new("chown").arg("postgres").arg(&folder));
    }
    folder
}

fn ready(port: u16) -> bool {
    let port = port.to_string();
    let asked = Command::new("pg_isready").args(["-q", "-h", "127.0.0.1", "-p", &port]).status();
    asked.unwrap_or_else(|error| panic!("pg_isready must be on PATH: {error}")).success()
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0
}

/// PostgreSQL refuses to run as root.
fn unprivileged(program: &str) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", program]);
    command.current_dir(Path::new("/"));
    command
}

fn done(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
