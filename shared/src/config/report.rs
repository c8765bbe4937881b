//! Mistakes in a configuration, each with the place it stands in.

use std::collections::HashMap;
use std::fmt;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    File { name: String, line: usize },
    Env(String),
}

impl Origin {
    /// Whether both stand in one layer, so that neither was meant to lie over the other.
    pub(super) const fn is_beside(&self, other: &Self) -> bool {
        matches!((self, other), (Self::File { .. }, Self::File { .. }) | (Self::Env(_), Self::Env(_)))
    }
}

pub(super) type Origins = HashMap<String, Origin>;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    origin: Option<Origin>,
    path: String,
    message: String,
}

impl ConfigError {
    pub(super) fn at(origins: &Origins, path: &str, message: impl Into<String>) -> Self {
        Self { origin: nearest(origins, path), path: path.to_owned(), message: message.into() }
    }

    /// About a file as a whole.
    pub(super) fn of_file(name: &str, message: impl fmt::Display) -> Self {
        Self { origin: None, path: String::new(), message: format!("{name}: {message}") }
    }

    pub(super) fn from(origin: Origin, path: &str, message: impl Into<String>) -> Self {
        Self { origin: Some(origin), path: path.to_owned(), message: message.into() }
    }
}

/// The origin of the key itself or of the nearest table around it.
fn nearest(origins: &Origins, path: &str) -> Option<Origin> {
    let mut path = path;
    loop {
        if let Some(origin) = origins.get(path) {
            return Some(origin.clone());
        }
        path = &path[..path.rfind(['.', '['])?];
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(Origin::File { name, line }) => write!(f, "{name}:{line}: ")?,
            Some(Origin::Env(name)) => write!(f, "{name}: ")?,
            None => {}
        }
        // Some messages begin with the key already.
        if self.path.is_empty() || self.message.starts_with(&format!("{}: ", self.path)) {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Every mistake of one configuration, one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    service: &'static str,
    errors: Vec<ConfigError>,
}

impl ConfigErrors {
    pub(super) fn of(service: &'static str, mut errors: Vec<ConfigError>) -> Self {
        errors.sort_by(|a, b| a.origin.cmp(&b.origin));
        Self { service, errors }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.errors.len()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration of {} has {} mistake(s):", self.service, self.errors.len())?;
        self.errors.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

impl std::error::Error for ConfigErrors {}

/// Collects the mistakes that a [`super::Check`] finds.
pub struct Report<'a> {
    origins: &'a Origins,
    /// Keys whose value is known to be wrong already: what is checked in their place is a stand-in.
    broken: Vec<String>,
    errors: &'a mut Vec<ConfigError>,
}

impl<'a> Report<'a> {
    pub(super) fn new(origins: &'a Origins, errors: &'a mut Vec<ConfigError>) -> Self {
        let broken = errors.iter().map(|error| error.path.clone()).filter(|path| !path.is_empty()).collect();
        Self { origins, broken, errors }
    }

    /// Whether a file or the environment gives this key: what it has is somebody's choice, and not the default.
    #[must_use]
    pub fn is_given(&self, path: &str) -> bool {
        self.origins.contains_key(path)
    }

    /// Notes a mistake in the key with this dotted path (`routes[3].path` inside an array of tables).
    pub fn error(&mut self, path: &str, message: impl Into<String>) {
        let covers = |key: &String| {
            path.strip_prefix(key.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        if self.broken.iter().any(covers) {
            return;
        }
        self.errors.push(ConfigError::at(self.origins, path, message));
    }

    /// Notes a mistake unless `holds`.
    pub fn ensure(&mut self, holds: bool, path: &str, message: &str) {
        if !holds {
            self.error(path, message);
        }
    }
}
