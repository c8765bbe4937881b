//! `Cache-Control` taken apart (RFC 9111, section 5.2), and handed to the semantics library in a form that it reads
//! exactly: it knows lower case only, and it splits at commas inside quotes.

use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, PRAGMA};

/// The longest span that any directive is believed to mean: RFC 9111 (1.2.2) caps at 2^31 seconds, we at ten years.
const LONGEST: u64 = 10 * 365 * 86_400;

/// The directives of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives(Vec<(String, Option<String>)>);

impl Directives {
    /// Those of a message with these headers. A request's `Pragma: no-cache` counts where there is no `Cache-Control`.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let mut found = Self::parse(headers.get_all(CACHE_CONTROL));
        if found.0.is_empty() && Self::parse(headers.get_all(PRAGMA)).has("no-cache") {
            found.0.push(("no-cache".to_owned(), None));
        }
        found
    }

    fn parse<'v>(values: impl Iterator<Item = &'v HeaderValue>) -> Self {
        let mut found = Vec::new();
        for value in values {
            let text = String::from_utf8_lossy(value.as_bytes());
            for member in members(&text) {
                let (name, value) = member.split_once('=').map_or((member, None), |(name, value)| (name, Some(value)));
                let name = name.trim().to_ascii_lowercase();
                if !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b'"') {
                    found.push((name, value.map(|value| value.trim().trim_matches('"').to_owned())));
                }
            }
        }
        Self(found)
    }

    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a directive is there, with or without a value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(there, _)| there == name)
    }

    /// Whether any of several is there.
    #[must_use]
    pub fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.has(name))
    }

    /// A directive's seconds; the smallest when it stands there more than once, zero when they cannot be read.
    #[must_use]
    pub fn seconds(&self, name: &str) -> Option<Duration> {
        let named = self.0.iter().filter(|(there, _)| there == name);
        let spans = named.map(|(_, value)| Self::number(value.as_deref()).unwrap_or(0).min(LONGEST));
        spans.min().map(Duration::from_secs)
    }

    fn number(value: Option<&str>) -> Option<u64> {
        let value = value?;
        let is_number = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| value.parse().unwrap_or(u64::MAX))
    }

    /// All but one.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        Self(self.0.iter().filter(|(there, _)| there != name).cloned().collect())
    }

    /// The same in plain words. `private="x"` and `no-cache="x"` become `private` and `no-cache`: that keeps less, never
    /// more (RFC 9111, sections 5.2.2.4 and 5.2.2.7).
    #[must_use]
    pub fn plain(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.0 {
            if !text.is_empty() {
                text.push_str(", ");
            }
            text.push_str(name);
            match Self::number(value.as_deref()) {
                Some(seconds) => {
                    text.push('=');
                    text.push_str(&seconds.min(LONGEST).to_string());
                }
                // A span that cannot be read is none. `max-stale` alone means any.
                None if matches!(&**name, "max-age" | "s-maxage") => text.push_str("=0"),
                None if name == "max-stale" && value.is_some() => text.push_str("=0"),
                None => {}
            }
        }
        text
    }
}

/// The members of a list, split at commas outside of quotes.
pub(super) fn members(text: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let ends = c == ',' && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && quoted && !escaped;
        ends
    })
    .map(str::trim)
    .filter(|member| !member.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directives(lines: &[&str]) -> Directives {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CACHE_CONTROL, HeaderValue::from_str(line).unwrap());
        }
        Directives::of(&headers)
    }

    #[test]
    fn case_quotes_and_lines_are_read_as_the_rfc_writes_them() {
        for (lines, plain) in [
            (&["No-Store"][..], "no-store"),
            (&["max-age=60, Public"], "max-age=60, public"),
            (&["max-age=\"60\""], "max-age=60"),
            (&["private", "max-age=5"], "private, max-age=5"),
            (&["private=\"a, public, b\", max-age=1"], "private, max-age=1"),
            (&["ext=\"x\\\", public\", no-cache"], "ext, no-cache"),
            (&["max-age=99999999999999999999999"], "max-age=315360000"),
            (&["max-age=-1"], "max-age=0"),
            (&["max-age"], "max-age=0"),
            (&["max-stale, max-stale=x"], "max-stale, max-stale=0"),
            (&[" , ,"], ""),
        ] {
            assert_eq!(directives(lines).plain(), plain, "{lines:?}");
        }
        let twice = directives(&["max-age=60, max-age=5"]);
        assert_eq!(twice.seconds("max-age"), Some(Duration::from_secs(5)));
        assert!(twice.has_any(&["no-store", "max-age"]) && !twice.has("max"));
    }

    #[test]
    fn pragma_counts_only_alone() {
        let mut headers = HeaderMap::new();
        headers.insert(PRAGMA, HeaderValue::from_static("No-Cache"));
        assert!(Directives::of(&headers).has("no-cache"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=9"));
        assert!(!Directives::of(&headers).has("no-cache"));
    }
}
