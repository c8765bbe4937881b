//! Mistakes in a configuration, each with the place it stands in.

use std::collections::HashMap;
use std::fmt;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    File { name: String, line: usize },
    Env(String),
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
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}

/// Every mistake of one configuration, one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    service: &'static str,
    errors: Vec<ConfigError>,
}

impl ConfigErrors {
    pub(super) fn of(service: &'static str, errors: Vec<ConfigError>) -> Self {
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
    errors: &'a mut Vec<ConfigError>,
}

impl<'a> Report<'a> {
    pub(super) fn new(origins: &'a Origins, errors: &'a mut Vec<ConfigError>) -> Self {
        Self { origins, errors }
    }

    /// Notes a mistake in the key with this dotted path (`routes[3].path` inside an array of tables).
    pub fn error(&mut self, path: &str, message: impl Into<String>) {
        self.errors.push(ConfigError::at(self.origins, path, message));
    }

    /// Notes a mistake unless `holds`.
    pub fn ensure(&mut self, holds: bool, path: &str, message: &str) {
        if !holds {
            self.error(path, message);
        }
    }
}
