//! TLS on the listeners: what is presented now, where it came from, and how it changes without a connection noticing.

mod files;
mod leaf;
mod load;
mod names;
#[cfg(test)]
pub(crate) mod tests;
mod trust;

use std::fmt;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use parking_lot::Mutex;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::ProducesTickets;
use shared::clock::Clock;
use time::OffsetDateTime;

use crate::admin::metrics::ConnectionMetrics;
use crate::config;
use files::Files;
use load::Means;

pub use files::{Mistake, Mistakes};
pub use leaf::{Leaf, NoCertificate};
pub use load::{Loaded, Presented};
pub use trust::Trust;

/// A certificate that ends sooner than this is spoken of at each start and change.
const SOON: time::Duration = time::Duration::days(14);

/// What the listeners present. There is always one of these; without certificates it presents nothing.
pub struct Tls {
    settings: ArcSwap<config::Tls>,
    clock: Clock,
    tickets: Arc<dyn ProducesTickets>,
    current: ArcSwapOption<Loaded>,
    /// Whose certificates are taken, also while there is no TLS.
    trust: ArcSwap<Trust>,
    /// The state of the files that was looked at last, whether it was taken or refused.
    seen: Mutex<[u8; 32]>,
    metrics: ConnectionMetrics,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The files.
    #[error(transparent)]
    Files(#[from] Mistakes),
    /// The machine has no randomness for session tickets.
    #[error("no keys for session tickets: {0}")]
    Tickets(rustls::Error),
}

impl Tls {
    /// Reads the files and makes of them what is presented. Blocks.
    ///
    /// # Errors
    /// Every mistake in the files.
    pub fn new(settings: &config::Tls, clock: Clock, metrics: ConnectionMetrics) -> Result<Self, TlsError> {
        let tls = Self {
            settings: ArcSwap::from_pointee(settings.clone()),
            trust: ArcSwap::from_pointee(Trust::nobody(0, &clock)),
            clock,
            tickets: Ticketer::new().map_err(TlsError::Tickets)?,
            current: ArcSwapOption::empty(),
            seen: Mutex::new([0; 32]),
            metrics,
        };
        tls.take(settings, &mut tls.seen.lock())?;
        Ok(tls)
    }

    /// What a new connection is greeted with; `None`: plain HTTP.
    #[must_use]
    pub fn server(&self) -> Option<Arc<Loaded>> {
        self.current.load_full()
    }

    /// Whose certificates are taken.
    #[must_use]
    pub fn trust(&self) -> Guard<Arc<Trust>> {
        self.trust.load()
    }

    /// How long a handshake may take.
    #[must_use]
    pub fn handshake_timeout(&self) -> std::time::Duration {
        self.settings.load().handshake_timeout.get()
    }

    /// What is presented now.
    #[must_use]
    pub fn presented(&self) -> Vec<Presented> {
        self.current.load().as_ref().map(|loaded| loaded.certificates.clone()).unwrap_or_default()
    }

    /// Takes new settings, if they are new. Connections that are open stay as they are. Blocks.
    ///
    /// # Errors
    /// Every mistake in the files; then the old settings stay.
    pub fn apply(&self, settings: &config::Tls) -> Result<(), Mistakes> {
        let mut seen = self.seen.lock();
        if **self.settings.load() == *settings {
            return Ok(());
        }
        *seen = [0; 32];
        let taken = self.take(settings, &mut seen);
        self.metrics.reloaded(taken.is_ok());
        taken?;
        self.settings.store(Arc::new(settings.clone()));
        Ok(())
    }

    /// Looks at the files for as long as the gateway runs. What does not fit together is refused, and looked at again
    /// once it has changed: half of it may have been written when it was read.
    pub async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(self.settings.load().reload_interval.get()).await;
            let tls = Arc::clone(&self);
            // Files may lie on a network; the runtime must not wait for it.
            if let Err(error) = tokio::task::spawn_blocking(move || tls.look()).await {
                tracing::error!(%error, "the certificates could not be looked at");
            }
        }
    }

    fn look(&self) {
        let mut seen = self.seen.lock();
        let settings = self.settings.load_full();
        let before = *seen;
        let taken = self.take(&settings, &mut seen);
        if *seen == before {
            return;
        }
        self.metrics.reloaded(taken.is_ok());
        match taken {
            Ok(()) => tracing::info!("new certificates are presented"),
            Err(mistakes) => {
                tracing::error!(%mistakes, "the certificates have changed and are refused; the old ones stay");
            }
        }
    }

    /// Presents what the files hold, unless they have been `seen` like this: then nothing is done.
    fn take(&self, settings: &config::Tls, seen: &mut [u8; 32]) -> Result<(), Mistakes> {
        let trust = self.trust.load_full();
        if !settings.is_on() {
            if trust.digest.is_some() {
                self.trust.store(Arc::new(Trust::nobody(trust.generation + 1, &self.clock)));
            }
            self.current.store(None);
            return Ok(());
        }
        let files = Files::read(settings);
        let digest = files.digest();
        if std::mem::replace(seen, digest) == digest {
            return Ok(());
        }
        let means = Means { clock: &self.clock, tickets: &self.tickets, trust: &trust };
        let loaded = load::load(settings, &files, &means)?;
        for mistake in untimely(&loaded.certificates, self.clock.now(), SOON) {
            tracing::warn!(key = mistake.key, "{}", mistake.what);
        }
        // Before anybody is greeted by it, so that no new connection looks like an old one.
        self.trust.store(Arc::clone(&loaded.trust));
        self.current.store(Some(Arc::new(loaded)));
        Ok(())
    }
}

/// What `check-config` finds in the files: mistakes, and certificates that are not valid now.
///
/// # Errors
/// All of it.
pub fn examine(settings: &config::Tls, clock: &Clock) -> Result<(), TlsError> {
    let tls = Tls::new(settings, clock.clone(), ConnectionMetrics::default())?;
    let untimely = untimely(&tls.presented(), clock.now(), time::Duration::ZERO);
    if untimely.is_empty() { Ok(()) } else { Err(Mistakes(untimely).into()) }
}

/// The certificates that are not valid yet, or not for as long as `soon` any more.
fn untimely(certificates: &[Presented], now: OffsetDateTime, soon: time::Duration) -> Vec<Mistake> {
    let judge = |(i, presented): (usize, &Presented)| {
        let (now, leaf) = (now.unix_timestamp(), &presented.leaf);
        let date =
            |seconds| OffsetDateTime::from_unix_timestamp(seconds).map_or("?".to_owned(), |at| at.date().to_string());
        let what = if leaf.not_after < now {
            format!("{} has expired on {}", presented.file, date(leaf.not_after))
        } else if leaf.not_before > now {
            format!("{} is valid from {} only", presented.file, date(leaf.not_before))
        } else if leaf.not_after < now.saturating_add(soon.whole_seconds()) {
            format!("{} expires on {}", presented.file, date(leaf.not_after))
        } else {
            return None;
        };
        Some(Mistake::new(format!("tls.certificates[{i}].cert"), what))
    };
    certificates.iter().enumerate().filter_map(judge).collect()
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("presented", &self.presented().len()).finish_non_exhaustive()
    }
}
