//! Configuration in layers: documented defaults in the binary, then a file, then the environment; all mistakes at once.
//!
//! The defaults document is the schema: it names every key with a value of the right type, so a key it lacks is unknown
//! and a value of another type is a mistake, in whichever layer it stands. Arrays of tables (a route table) are given
//! whole by the last layer that has them. Any text may come from a file instead: `password_file = "/run/secrets/x"`
//! (or `…__PASSWORD_FILE`) stands for `password = "<the file's content>"`.

mod layer;
mod mend;
mod report;
mod types;

use std::path::Path;

use serde::de::DeserializeOwned;

pub use report::{ConfigError, ConfigErrors, Report};
pub use types::{Dur, HIDDEN, Secret};

use layer::Merged;

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
    load_written(spec, file, env).map(|(value, _)| value)
}

/// The same, with the merged layers as they were written: secrets and all, and without the defaults of rows.
pub fn load_written<T: DeserializeOwned + Check>(
    spec: Spec,
    file: Option<&Path>,
    env: &[(String, String)],
) -> Result<(T, toml::Table), ConfigErrors> {
    let Merged { schema, mut table, origins, mut errors } = layer::merge(spec, file, env);
    let value = mend::read::<T>(&schema, &mut table, &mut |path, message| {
        errors.push(ConfigError::at(&origins, path, message));
    });
    let Some(value) = value else { return Err(ConfigErrors::of(spec.service, errors)) };
    value.check(&mut Report::new(&origins, &mut errors));
    if errors.is_empty() { Ok((value, table)) } else { Err(ConfigErrors::of(spec.service, errors)) }
}

#[cfg(test)]
mod tests;
