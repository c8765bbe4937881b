//! A new configuration while requests are served: read anew, checked whole, compiled, and swapped in one step. A request
//! ends under the configuration that it began with; a bad file changes nothing.

pub(crate) mod fixed;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use shared::clock::Clock;
use shared::config::ConfigErrors;
use time::OffsetDateTime;

use crate::app::Gateway;
use crate::config::Config;
use crate::tables::CompileError;
use crate::tls::Mistakes;

/// How often the file is looked at. Its bytes are compared, so that every way of replacing it is noticed: written in
/// place, renamed over, or a symbolic link that points elsewhere, as in a mounted ConfigMap.
pub const LOOK: Duration = Duration::from_secs(1);

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file over the defaults.
    pub file: Option<PathBuf>,
    /// The environment over both.
    pub env: Vec<(String, String)>,
    /// How often the file is looked at.
    pub look: Duration,
}

impl Source {
    /// The file's bytes, if there is one. It is small and local: reading it takes less than handing the work to another
    /// thread.
    fn read(&self) -> Option<Vec<u8>> {
        std::fs::read(self.file.as_ref()?).ok()
    }
}

/// Why a configuration was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// It has mistakes.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// It could not be served.
    #[error("{0}")]
    Unfit(String),
    /// It does not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The certificates do not hold.
    #[error(transparent)]
    Certificates(#[from] Mistakes),
}

/// What became of the configurations so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// 1 for the one it started with; one more with each that was taken.
    pub generation: u64,
    /// When the present one was taken.
    pub since: OffsetDateTime,
    /// How many were refused since the start.
    pub refused: u64,
    /// Why the last one was refused; `None`: it was taken.
    pub error: Option<String>,
    /// Keys that have changed and take effect with a restart only.
    pub waiting: Vec<&'static str>,
}

/// The configuration in force, and its history.
#[derive(Debug)]
pub struct Reloads {
    /// What stood in the file at the start.
    file: Option<Vec<u8>>,
    source: Source,
    started_with: Config,
    config: ArcSwap<Config>,
    state: Mutex<State>,
    reading: Mutex<()>,
}

impl Reloads {
    /// Of a gateway that starts.
    #[must_use]
    pub fn new(source: Source, config: &Config, clock: &Clock) -> Self {
        let (refused, error, waiting) = (0, None, Vec::new());
        Self {
            file: source.read(),
            source,
            started_with: config.clone(),
            config: ArcSwap::from_pointee(config.clone()),
            reading: Mutex::new(()),
            state: Mutex::new(State { generation: 1, since: clock.now(), refused, error, waiting }),
        }
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }

    /// What became of the configurations so far.
    #[must_use]
    pub fn state(&self) -> State {
        self.state.lock().clone()
    }

    /// While this is held no configuration is taken: what is changed in the tables is not lost with them.
    #[must_use]
    pub fn pause(&self) -> impl Drop + '_ {
        self.state.lock()
    }
}

impl Gateway {
    /// Reads the configuration anew and takes it.
    ///
    /// # Errors
    /// Why it was not taken; everything stays as it was.
    pub fn reload(&self) -> Result<State, ReloadError> {
        // One at a time, from the reading on: else an older file could be taken after a newer one.
        let _one = self.reloads.reading.lock();
        let source = &self.reloads.source;
        let taken = Config::load(source.file.as_deref(), &source.env).map_err(ReloadError::from);
        let taken = taken.and_then(|config| self.take(config));
        if let Err(error) = &taken {
            tracing::error!(%error, "the new configuration is refused, the old one stays");
            let mut state = self.reloads.state.lock();
            state.refused += 1;
            state.error = Some(error.to_string());
        }
        taken
    }

    fn take(&self, config: Config) -> Result<State, ReloadError> {
        config.fit_to_serve().map_err(ReloadError::Unfit)?;
        // One at a time: each goes on from the tables of the one before.
        let mut state = self.reloads.state.lock();
        let mut tables = self.tables.load().recompile(&config, Instant::now())?;
        self.tls.apply(&config.tls)?;
        state.generation += 1;
        tables.generation = state.generation;
        state.since = self.clock.now();
        state.error = None;
        state.waiting = fixed::changed(&self.reloads.started_with, &config);
        if config.telemetry.log != self.reloads.config().telemetry.log {
            // It has been checked with the others.
            let _ = self.log.set(&config.telemetry.log);
        }
        let tables = Arc::new(tables);
        self.tables.store(Arc::clone(&tables));
        tables.upstreams.iter().for_each(|upstream| upstream.enters_service());
        self.reloads.config.store(Arc::new(config));
        self.documents.refresh();
        tracing::info!(generation = state.generation, waiting = ?state.waiting, "a new configuration is in force");
        Ok(state.clone())
    }
}

/// Reloads when the file has changed, or on SIGHUP, for as long as it is polled. Off the thread that polls it: a large
/// table takes a while, and stores and probes go on meanwhile.
pub async fn watch(gateway: Arc<Gateway>) {
    let source = &gateway.reloads.source;
    let mut known = gateway.reloads.file.clone();
    let mut hangup = hangup();
    loop {
        let asked = tokio::time::timeout(source.look, hangup.next()).await.is_ok();
        let reader = Arc::clone(&gateway);
        let Ok(found) = tokio::task::spawn_blocking(move || reader.reloads.source.read()).await else { continue };
        // A file that is gone is being replaced.
        let changed = found.is_some() && found != known;
        if asked || changed {
            known = found.or(known);
            let reloaded = Arc::clone(&gateway);
            if let Err(error) = tokio::task::spawn_blocking(move || drop(reloaded.reload())).await {
                tracing::error!(%error, "a reload broke off");
            }
        }
    }
}

/// SIGHUP, where it can be had.
struct Hangup(Option<tokio::signal::unix::Signal>);

fn hangup() -> Hangup {
    use tokio::signal::unix::{SignalKind, signal};
    Hangup(signal(SignalKind::hangup()).ok())
}

impl Hangup {
    async fn next(&mut self) {
        match &mut self.0 {
            Some(signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        }
    }
}
