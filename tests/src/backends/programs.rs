//! Finding programs, and starting servers that cannot outlive whoever started them.

use std::env;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::BackendError;

/// A server's executable, and how it has to be started here.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    /// The user to become: PostgreSQL refuses to run as root.
    user: Option<&'static str>,
}

impl Program {
    /// `name` on the PATH, or where Debian and its kin hide PostgreSQL's servers.
    ///
    /// # Errors
    /// [`BackendError::Missing`].
    pub fn find(name: &'static str) -> Result<Self, BackendError> {
        let path = on_path(name).or_else(|| in_versioned_folders(name)).ok_or(BackendError::Missing(name))?;
        Ok(Self { path, user: None })
    }

    /// The same program run as `user` when we are root.
    #[must_use]
    pub fn as_user(self, user: &'static str) -> Self {
        Self { user: is_root().then_some(user), ..self }
    }

    /// A command that the kernel kills when the calling thread ends, where `setpriv` is there to ask for it.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = match (on_path("setpriv"), self.user) {
            (Some(setpriv), user) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "KILL"]);
                if let Some(user) = user {
                    command.args(["--reuid", user, "--regid", user, "--init-groups"]);
                }
                command.arg("--").arg(&self.path);
                command
            }
            (None, Some(user)) => {
                let mut command = Command::new("runuser");
                command.args(["-u", user, "--"]).arg(&self.path);
                command
            }
            (None, None) => Command::new(&self.path),
        };
        command.env("LC_ALL", "C.UTF-8");
        command
    }
}

/// A program of this workspace, beside the running executable (`target/<profile>/` or its `deps/`).
///
/// # Errors
/// [`BackendError::NotBuilt`].
pub fn binary(name: &str) -> Result<PathBuf, BackendError> {
    let here = env::current_exe()?;
    here.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| BackendError::NotBuilt(name.to_owned()))
}

/// A port nobody listened on a moment ago.
///
/// # Errors
/// When the machine has none left.
pub fn free_port() -> Result<u16, BackendError> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Whether this process may change users.
#[must_use]
pub fn is_root() -> bool {
    Path::new("/proc/self").metadata().is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

fn on_path(name: &str) -> Option<PathBuf> {
    let (_, path) = shared::config::process_env().into_iter().find(|(name, _)| name == "PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn in_versioned_folders(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<_> =
        versions.flatten().map(|version| version.path().join("bin").join(name)).filter(|file| file.is_file()).collect();
    found.sort();
    found.pop()
}
