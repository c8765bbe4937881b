//! The folder that holds everything a stack keeps for people: databases, secrets, the first administrator.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::engine::StackError;
use super::people::{Credentials, LaunchError};
use super::settings::{Service, Settings};

const ADMIN_PASSWORD: &str = "bootstrap.admin_password";
/// The file with the first administrator's e-mail address and password.
pub(super) const CREDENTIALS: &str = "admin-credentials";

/// The folder that holds everything a stack keeps.
#[derive(Debug)]
pub(super) struct Data {
    folder: PathBuf,
    /// Held until the end: two stacks on one ledger would be two writers.
    _lock: File,
}

impl Data {
    pub(super) fn open(folder: &Path) -> Result<Self, LaunchError> {
        let refused = |error| LaunchError::Data(folder.display().to_string(), error);
        // Signing keys and password hashes are in there.
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(refused)?;
        let folder = folder.canonicalize().map_err(refused)?;
        let lock = File::create(folder.join("lock")).map_err(refused)?;
        lock.try_lock().map_err(|_| LaunchError::InUse(folder.display().to_string()))?;
        Ok(Self { folder, _lock: lock })
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(super) fn sqlite(&self, name: &str) -> String {
        format!("sqlite://{}", self.file(&format!("{name}.db")).display())
    }

    /// The secret of the last start, or a new one.
    pub(super) fn assertion_secret(&self, settings: &Settings) -> Result<String, LaunchError> {
        if let Some(given) = settings.assertion_secret_given() {
            return Ok(given.to_owned());
        }
        let file = self.file("assertion-secret");
        match fs::read_to_string(&file) {
            Ok(secret) if !secret.trim().is_empty() => Ok(secret.trim().to_owned()),
            Ok(_) | Err(_) => {
                let secret = hex::encode(rand::random::<[u8; 32]>());
                self.write_private("assertion-secret", &format!("{secret}\n"))?;
                Ok(secret)
            }
        }
    }

    /// The administrator of a first start, with a password that is on the disk before the administrator is in the
    /// database: whatever ends the start in between, the next one finds it. `None`: this is no first start, or the
    /// password comes from elsewhere.
    pub(super) fn administrator(&self, settings: &mut Settings) -> Result<Option<Credentials>, LaunchError> {
        if settings.get(Service::Users, ADMIN_PASSWORD).is_some() {
            return Ok(None);
        }
        // Taken only where there is no administrator yet.
        if let Some(kept) = self.kept_password() {
            settings.set(Service::Users, ADMIN_PASSWORD, kept);
            return Ok(None);
        }
        let is_ours = settings.get(Service::Users, "database.url") == Some(&self.sqlite("users"));
        if !is_ours || self.file("users.db").exists() {
            return Ok(None);
        }
        let config =
            users_service::Config::load(None, &settings.vars()).map_err(|error| StackError::Config(vec![error]))?;
        let email = config.bootstrap.admin_email;
        loop {
            // 128 random bits, and a digit for the rule that wants one. Once in a hundred the name "ada" is in there.
            let password = format!("{}7", hex::encode(rand::random::<[u8; 16]>()));
            settings.set(Service::Users, ADMIN_PASSWORD, &password);
            if users_service::Config::load(None, &settings.vars()).is_ok() {
                let administrator = Credentials { email, password };
                self.keep_credentials(&administrator)?;
                return Ok(Some(administrator));
            }
        }
    }

    fn kept_password(&self) -> Option<String> {
        let text = fs::read_to_string(self.file(CREDENTIALS)).ok()?;
        text.lines().find_map(|line| line.strip_prefix("password=")).map(str::to_owned)
    }

    pub(super) fn keep_credentials(&self, Credentials { email, password }: &Credentials) -> Result<(), LaunchError> {
        self.write_private(CREDENTIALS, &format!("email={email}\npassword={password}\n"))
    }

    /// Readable by its owner only, from its first byte.
    fn write_private(&self, name: &str, text: &str) -> Result<(), LaunchError> {
        let file = self.file(name);
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&file)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().map_err(|error| LaunchError::Data(file.display().to_string(), error))
    }
}
