//! One PostgreSQL for all the test processes of a run: the first starts it, the last one's end removes it.
//!
//! Every user holds a shared lock on the lease file, which the kernel lets go however the process ends. The keeper,
//! a process of its own (`backends keep`), stops the server and removes its folder once nobody holds the lease.

use std::env;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::{BackendError, Cluster, binary, connect};

/// Longest wait for the keeper's server.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long nobody may hold the lease before the keeper ends: longer than the gap between two tests.
const LINGER: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);

/// Held until this process ends.
static LEASE: OnceLock<File> = OnceLock::new();

/// The URL of the run's shared server, started if this is the first to ask.
///
/// # Errors
/// [`BackendError`] with what the keeper wrote.
pub async fn shared_cluster() -> Result<String, BackendError> {
    let place = Place::of_this_build()?;
    let file = place.clone();
    // Blocking: another process may be starting the server, or ending it.
    let (_starting, lease) =
        tokio::task::spawn_blocking(move || file.enter()).await.map_err(std::io::Error::other)??;
    LEASE.get_or_init(|| lease);
    if let Some(url) = place.answering().await {
        return Ok(url);
    }
    let mut keeper = place.start_keeper()?;
    let deadline = Instant::now() + START_LIMIT;
    loop {
        if let Some(url) = place.answering().await {
            return Ok(url);
        }
        if keeper.try_wait()?.is_some() || Instant::now() > deadline {
            return Err(BackendError::Failed {
                program: "backends keep",
                output: fs::read_to_string(place.file("log"))?,
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The keeper's whole life: starts the server in `folder`, and ends it when nobody needs it any more.
///
/// # Errors
/// [`BackendError`] when the server cannot be started.
pub async fn keep(folder: &Path) -> Result<(), BackendError> {
    let place = Place(folder.to_owned());
    let data = place.file("cluster");
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    let cluster = Cluster::start(&data).await?;
    let draft = place.file("url.new");
    fs::write(&draft, &cluster.url)?;
    fs::rename(draft, place.file("url"))?;
    let lease = place.open("lease")?;
    let mut free_since = None;
    loop {
        match lease.try_lock() {
            Ok(()) if free_since.get_or_insert_with(Instant::now).elapsed() >= LINGER => break,
            Ok(()) => lease.unlock()?,
            Err(TryLockError::WouldBlock) => free_since = None,
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        tokio::time::sleep(PAUSE).await;
    }
    // Still under the lock: whoever comes now waits, and then finds no server.
    fs::remove_file(place.file("url"))?;
    drop(cluster);
    Ok(())
}

/// The folder where the processes of one build meet.
#[derive(Debug, Clone)]
struct Place(PathBuf);

impl Place {
    /// Named after the executable's folder, so that two checkouts do not share a keeper of different code.
    fn of_this_build() -> Result<Self, BackendError> {
        let home = env::current_exe()?.parent().map(Path::to_owned).unwrap_or_default();
        let tag = hex::encode(&<sha2::Sha256 as sha2::Digest>::digest(home.as_os_str().as_encoded_bytes())[..6]);
        let folder = env::temp_dir().join(format!("tollgate-tests-{tag}"));
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn open(&self, name: &str) -> Result<File, BackendError> {
        Ok(OpenOptions::new().create(true).truncate(false).write(true).open(self.file(name))?)
    }

    /// One process at a time looks for the server or starts it, holding its lease already.
    fn enter(&self) -> Result<(File, File), BackendError> {
        let (starting, lease) = (self.open("starting")?, self.open("lease")?);
        starting.lock()?;
        lease.lock_shared()?;
        Ok((starting, lease))
    }

    /// The server's URL, if there is one and it answers.
    async fn answering(&self) -> Option<String> {
        let url = fs::read_to_string(self.file("url")).ok()?;
        connect(&url).await.ok().map(|_| url)
    }

    /// In a process group of its own, with none of our pipes: it outlives this test.
    fn start_keeper(&self) -> Result<Child, BackendError> {
        drop(fs::remove_file(self.file("url")));
        let log = File::create(self.file("log"))?;
        Ok(Command::new(binary("backends")?)
            .arg("keep")
            .arg(&self.0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()?)
    }
}
