//! Settings: each key of a defaults document has a comment, and code that reads it.

use super::source::{Finding, Source, read};

/// A service's documented defaults.
pub struct Defaults {
    pub folder: &'static str,
    pub text: String,
}

pub fn all() -> Vec<Defaults> {
    let services = ["gateway", "users-service", "accounts-service"];
    services
        .into_iter()
        .map(|folder| Defaults { folder, text: read(&format!("{folder}/config.default.toml")) })
        .collect()
}

pub fn findings(defaults: &Defaults, sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut documented = false;
    let mut in_rows = false;
    for (at, line) in defaults.text.lines().enumerate() {
        let mut find = |what: String| {
            findings.push(Finding { path: format!("{}/config.default.toml", defaults.folder), line: at + 1, what });
        };
        match line.trim() {
            "" => documented = false,
            comment if comment.starts_with('#') => documented = true,
            table if table.starts_with('[') => in_rows = table.starts_with("[["),
            row => {
                let Some((key, _)) = row.split_once('=') else { continue };
                let key = key.trim();
                // A row of a table (a route) is documented above the first one.
                if !documented && !in_rows {
                    find(format!("`{key}` has no comment"));
                }
                if !is_read(key, defaults.folder, sources) {
                    find(format!("`{key}` is read nowhere"));
                }
            }
        }
    }
    findings
}

/// Whether the service's code, or the shared telemetry section, has a field of that name and uses it.
fn is_read(key: &str, folder: &str, sources: &[Source]) -> bool {
    let field = |text: &str| {
        text.match_indices(key)
            .filter(|(at, _)| {
                let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
                !word(text[..*at].chars().next_back()) && !word(text[at + key.len()..].chars().next())
            })
            .count()
    };
    let ours = sources.iter().filter(|source| {
        source.path.starts_with(&format!("{folder}/src/")) || source.path.starts_with("shared/src/telemetry")
    });
    ours.filter(|source| !source.is_test()).map(|source| field(&source.text)).sum::<usize>() >= 2
}

#[test]
fn bad_settings_are_found() {
    let of = |text: &str| Defaults { folder: "gateway", text: text.to_owned() };
    let code = [Source::new("gateway/src/config.rs", "pub listen: SocketAddr, fn f() { self.listen }")];
    assert!(findings(&of("[server]\n# Where.\nlisten = 1\n"), &code).is_empty());
    assert_eq!(findings(&of("[server]\nlisten = 1\n"), &code).len(), 1);
    assert_eq!(findings(&of("[server]\n# Where.\nlisten_on = 1\n"), &code).len(), 1);
}
