//! Configuration in layers: documented defaults in the binary, then a file, then the environment; all mistakes at once.
//!
//! The defaults document is the schema: it names every key with a value of the right type, so a key it lacks is unknown
//! and a value of another type is a mistake, in whichever layer it stands. Arrays of tables (a route table) are given
//! whole by the last layer that has them. Any text may come from a file instead: `password_file = "/run/secrets/x"`
//! (or `…__PASSWORD_FILE`) stands for `password = "<the file's content>"`.

mod layer;
mod report;
mod types;

use std::path::Path;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

pub use report::{ConfigError, ConfigErrors, Report};
pub use types::{Dur, Secret};

use layer::Merged;

/// More mistakes than this are not worth listing.
const MAX_ERRORS: usize = 100;

/// Which service is configured, and with what defaults.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The service's name in lower case, as in `TOLLGATE_<SERVICE>__…`.
    pub service: &'static str,
    /// The documented TOML with every key.
    pub defaults: &'static str,
}

/// What a configuration must hold beyond the types of its values.
pub trait Check {
    /// Reports every mistake, each under the dotted path of its key.
    fn check(&self, report: &mut Report<'_>);
}

/// The process's environment, for [`load`].
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn process_env() -> Vec<(String, String)> {
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect()
}

/// Reads the layers, checks everything, and returns either the configuration or every mistake in it.
pub fn load<T: DeserializeOwned + Check>(
    spec: Spec,
    file: Option<&Path>,
    env: &[(String, String)],
) -> Result<T, ConfigErrors> {
    let merged = layer::merge(spec, file, env);
    let Merged { schema, mut table, origins, mut errors } = merged;
    let value = deserialize::<T>(&schema, &mut table, &mut |path, message| {
        errors.push(ConfigError::at(&origins, path, message));
    });
    let Some(value) = value else { return Err(ConfigErrors::of(spec.service, errors)) };
    value.check(&mut Report::new(&origins, &mut errors));
    if errors.is_empty() { Ok(value) } else { Err(ConfigErrors::of(spec.service, errors)) }
}

/// Serde stops at its first mistake; so each mistake is noted, its value put back to the default, and the reading
/// repeated, until nothing is left to note.
fn deserialize<T: DeserializeOwned>(
    schema: &Table,
    table: &mut Table,
    note: &mut dyn FnMut(&str, String),
) -> Option<T> {
    for _ in 0..MAX_ERRORS {
        match serde_path_to_error::deserialize::<_, T>(Value::Table(table.clone())) {
            Ok(value) => return Some(value),
            Err(error) => {
                let path = error.path().to_string();
                note(&path, error.inner().to_string().trim().to_owned());
                if !restore_default(schema, table, &path) {
                    return None;
                }
            }
        }
    }
    None
}

/// Puts the key that `path` lies in back to its default. `false` when it has that value already.
fn restore_default(schema: &Table, table: &mut Table, path: &str) -> bool {
    let path = path.split('[').next().unwrap_or(path);
    let (mut schema, mut table) = (schema, table);
    for key in path.split('.') {
        let Some(default) = schema.get(key) else { return false };
        match (default, table.get_mut(key)) {
            (Value::Table(inner_schema), Some(Value::Table(_))) => {
                schema = inner_schema;
                let Some(Value::Table(inner)) = table.get_mut(key) else { return false };
                table = inner;
            }
            (default, Some(current)) if current != default => {
                *current = default.clone();
                return true;
            }
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests;
