//! accounts-service as a process of its own, so that it can be killed like one.

use std::fmt;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::settings::{ASSERTION_SECRET, Service, Settings};
use crate::backends::{BackendError, binary, free_port};
use crate::client::Client;
use crate::wait::wait_until;

const READY_LIMIT: Duration = Duration::from_secs(30);

/// The running process, or what is left of it.
#[derive(Debug)]
pub struct AccountsProcess {
    /// Where it listens, before and after a kill.
    pub addr: SocketAddr,
    settings: Settings,
    child: Option<Child>,
}

impl AccountsProcess {
    /// Prepares a process on this database; nothing runs yet.
    ///
    /// # Errors
    /// [`BackendError::NotBuilt`] when the binary is absent.
    pub fn on(database: &str, assertion_secret: &str) -> Result<Self, BackendError> {
        binary("accounts-service")?;
        let addr = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let mut settings = Settings::default();
        settings.set(Service::Accounts, "server.listen", addr);
        settings.set(Service::Accounts, "database.url", database);
        settings.set(Service::Accounts, ASSERTION_SECRET, assertion_secret);
        Ok(Self { addr, settings, child: None })
    }

    /// Overrides a setting (dotted, as in the TOML) from its next start on.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl fmt::Display) -> Self {
        self.settings.set(Service::Accounts, key, value);
        self
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    pub async fn start(&mut self) {
        let program = binary("accounts-service").unwrap_or_else(|error| panic!("{error}"));
        let mut command = Command::new(program);
        command.arg("serve").envs(self.settings.vars()).stdin(Stdio::null()).stdout(Stdio::null());
        self.child = Some(command.spawn().expect("the binary starts"));
        let client = Client::new(self.addr);
        wait_until("accounts-service is ready", READY_LIMIT, async || {
            let ready = client.call(reqwest::Method::GET, "/readyz").try_send().await;
            ready.is_ok_and(|answer| answer.status == 200).then_some(())
        })
        .await;
    }

    /// The process, if it runs.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// `kill -9`.
    ///
    /// # Panics
    /// When it was not running.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("the process was started");
        child.kill().expect("the process is killed");
        child.wait().expect("the process is gone");
    }
}

impl Drop for AccountsProcess {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}
