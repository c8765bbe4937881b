//! The effective configuration: every key with the value that holds, secrets hidden.

use reqwest::Url;
use shared::config::HIDDEN;
use toml::{Table, Value};

use super::Config;

impl Config {
    /// Every key with the value that holds, defaults of rows included, as TOML. Secrets are `"***"` unless they are empty,
    /// and so is what a URL says before its host.
    ///
    /// # Errors
    /// When a value cannot be written as TOML.
    pub fn effective(&self) -> Result<Table, toml::ser::Error> {
        let mut table = Table::try_from(self)?;
        table.iter_mut().for_each(|(_, value)| hide(value));
        Ok(table)
    }
}

/// Hides the user and the password in every URL.
fn hide(value: &mut Value) {
    match value {
        Value::Table(table) => table.iter_mut().for_each(|(_, value)| hide(value)),
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::String(text) => {
            if let Some(hidden) = without_user(text) {
                *text = hidden;
            }
        }
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
    }
}

fn without_user(text: &str) -> Option<String> {
    let mut url = Url::parse(text).ok().filter(|url| !url.username().is_empty() || url.password().is_some())?;
    url.set_password(None).ok()?;
    url.set_username(HIDDEN).ok()?;
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str) -> Config {
        let path = std::env::temp_dir().join(format!("tollgate-effective-{}.toml", uuid::Uuid::new_v4()));
        std::fs::write(&path, file).unwrap();
        let read = Config::load(Some(&path), &[]).map_err(|errors| errors.to_string());
        std::fs::remove_file(&path).unwrap();
        read.unwrap()
    }

    #[test]
    fn it_is_a_configuration_that_means_the_same() {
        let once = read("").effective().unwrap();
        let again = read(&toml::to_string(&once).unwrap()).effective().unwrap();
        assert_eq!(once, again);
        let transfers =
            once["routes"].as_array().unwrap().iter().find(|row| row["path"].as_str() == Some("/api/transfers"));
        assert_eq!(transfers.unwrap()["auth"].as_str(), Some("required"), "with the defaults of its row");
        assert_eq!(once["upstream"]["timeout"].as_str(), Some("30s"), "spans as they are written");
    }

    #[test]
    fn secrets_are_hidden_and_empty_ones_are_not_there_to_hide() {
        let secret = "an assertion secret for the tests, long enough";
        let config = read(&format!(
            "identity.secret = \"{secret}\"\nredis.url = \"redis://:hunter2@r/\"\n\
             telemetry.otlp_endpoint = \"http://me:hunter2@collector:4318\"\n"
        ));
        let shown = config.effective().unwrap();
        assert_eq!(shown["identity"]["secret"].as_str(), Some(HIDDEN));
        assert_eq!(shown["redis"]["url"].as_str(), Some(HIDDEN));
        assert_eq!(shown["admin"]["token"].as_str(), Some(""));
        assert_eq!(shown["telemetry"]["otlp_endpoint"].as_str(), Some("http://***@collector:4318/"));
        for text in [toml::to_string(&shown).unwrap(), serde_json::to_string(&shown).unwrap()] {
            assert!(!text.contains("hunter2") && !text.contains(secret), "{text}");
        }
    }
}
