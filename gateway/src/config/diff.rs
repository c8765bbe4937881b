//! What would change from one configuration to another: settings by their key, rows by what they are about.

mod rows;
mod running;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use shared::config::{ConfigErrors, HIDDEN};
use toml::{Table, Value};

use super::Config;
use crate::reload::fixed;

/// One configuration, as it is shown and as it is compared.
#[derive(Clone, Debug)]
pub struct Side {
    /// What holds, secrets hidden.
    shown: Table,
    /// As it was written over the defaults, secrets and all; only ever compared. `None`: nobody knows.
    written: Option<Table>,
    config: Option<Config>,
}

/// Why there is nothing to compare.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// A configuration has mistakes.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// A value cannot be written as TOML.
    #[error("the configuration cannot be shown: {0}")]
    Shown(#[from] toml::ser::Error),
    /// No gateway answers there.
    #[error("the running gateway's configuration: {0}")]
    Running(#[from] reqwest::Error),
    /// Something else does.
    #[error("this is no gateway's operators' listener: {0}")]
    NoGateway(String),
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where: the key, with its row's name.
    pub at: String,
    /// Of what kind.
    pub kind: Kind,
}

/// What is different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A row that was not there.
    Added(String),
    /// A row that is not there any more.
    Removed(String),
    /// A key's value, before and after.
    Changed(String, String),
    /// A secret.
    Secret,
    /// The order of the same rows, where it counts.
    Reordered(String),
}

impl Side {
    /// A file over the defaults, and `env` over both; without a file, just these.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn read(file: Option<&Path>, env: &[(String, String)]) -> Result<Self, DiffError> {
        let (config, written) = Config::load_written(file, env)?;
        Ok(Self { shown: config.effective()?, written: Some(written), config: Some(config) })
    }

    const fn only_shown(shown: Table) -> Self {
        Self { shown, written: None, config: None }
    }
}

/// What would change, settings first, then rows; nothing when nothing would.
#[must_use]
pub fn diff(from: &Side, to: &Side) -> Vec<Change> {
    let mut changes = Vec::new();
    let written = |side: &Side| side.written.clone().map(Value::Table);
    let (old, new) = (Value::Table(from.shown.clone()), Value::Table(to.shown.clone()));
    let (old_written, new_written) = (written(from), written(to));
    compare("", View::new(&old, old_written.as_ref()), View::new(&new, new_written.as_ref()), &mut changes);
    changes.sort_by_key(|change| matches!(change.kind, Kind::Added(_) | Kind::Removed(_)));
    changes
}

/// A value as it is shown, and as it was written if that is known.
#[derive(Clone, Copy)]
struct View<'a> {
    shown: &'a Value,
    written: Option<&'a Value>,
}

impl<'a> View<'a> {
    const fn new(shown: &'a Value, written: Option<&'a Value>) -> Self {
        Self { shown, written }
    }

    fn key(self, key: &str) -> Option<Self> {
        let written = self.written.and_then(|written| written.as_table()?.get(key));
        Some(Self { shown: self.shown.as_table()?.get(key)?, written })
    }

    fn row(self, index: usize) -> Option<Self> {
        let written = self.written.and_then(|written| written.as_array()?.get(index));
        Some(Self { shown: self.shown.as_array()?.get(index)?, written })
    }
}

fn compare(at: &str, old: View<'_>, new: View<'_>, changes: &mut Vec<Change>) {
    match (old.shown, new.shown) {
        (Value::Table(a), Value::Table(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let inside = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                match (old.key(key), new.key(key)) {
                    (Some(old), Some(new)) => compare(&inside, old, new, changes),
                    (old, new) => {
                        let text = |view: Option<View<'_>>| view.map_or("unset".to_owned(), |view| value(view.shown));
                        changes.push(Change { at: inside, kind: Kind::Changed(text(old), text(new)) });
                    }
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if rows::are_rows(a) || rows::are_rows(b) => {
            rows::compare(at, old, new, changes);
        }
        (Value::String(a), Value::String(b)) if a == HIDDEN && b == HIDDEN => {
            let changed = matches!((old.written, new.written), (Some(a), Some(b)) if a != b);
            changes.extend(changed.then(|| Change { at: at.to_owned(), kind: Kind::Secret }));
        }
        (a, b) if a != b => {
            changes.push(Change { at: at.to_owned(), kind: Kind::Changed(value(a), value(b)) });
        }
        _ => {}
    }
}

/// A value on one line, as TOML writes it inline.
fn value(value: &Value) -> String {
    match value {
        Value::Table(table) => {
            let members: Vec<_> = table.iter().map(|(key, inner)| format!("{key} = {}", self::value(inner))).collect();
            format!("{{ {} }}", members.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(self::value).collect::<Vec<_>>().join(", ")),
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {
            value.to_string()
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = &self.at;
        match &self.kind {
            Kind::Added(row) => write!(f, "+ {at}: {row}"),
            Kind::Removed(row) => write!(f, "- {at}: {row}"),
            Kind::Changed(from, to) => write!(f, "~ {at}: {from} -> {to}"),
            Kind::Secret => write!(f, "~ {at}: another secret"),
            Kind::Reordered(to) => write!(f, "~ {at}: now in the order {to}"),
        }
    }
}

/// What would change, for people: one change a line, then what it takes.
#[must_use]
pub fn describe(from: &Side, to: &Side) -> String {
    let changes = diff(from, to);
    if changes.is_empty() {
        return "nothing would change\n".to_owned();
    }
    let mut text: String = changes.iter().map(|change| format!("{change}\n")).collect();
    if let (Some(from), Some(to)) = (&from.config, &to.config) {
        let waiting = fixed::changed(from, to);
        if !waiting.is_empty() {
            text += &format!("with a restart only: {}\n", waiting.join(", "));
        }
    }
    text
}
