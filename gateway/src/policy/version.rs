//! API versions as objects: which one a request means, what its answers say, and when it is gone.

mod resolve;

#[cfg(test)]
mod tests;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use shared::clock::{Clock, from_micros, to_micros};
use shared::problem::{Code, Problem};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use resolve::{Asked, without_version};

use crate::config;

/// A version's place in the list.
pub type VersionId = usize;

/// What a route does with versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionRule {
    /// It is there in every version, and the upstream's path names the one that was asked for.
    All,
    /// It is there in one version only.
    Only(VersionId),
    /// It has none; its path is sent on as it is.
    None,
}

/// One version, with everything its answers carry made beforehand.
#[derive(Debug)]
pub struct Version {
    /// `v1`
    pub name: String,
    /// `API-Version: v1`
    pub header: HeaderValue,
    /// When it is called deprecated.
    pub deprecation: Option<OffsetDateTime>,
    /// When it is switched off.
    pub sunset: Option<OffsetDateTime>,
    /// Where to move to.
    pub successor: Option<String>,
    /// `Deprecation` and `Sunset`, as they apply.
    notices: Vec<(HeaderName, HeaderValue)>,
    /// Microseconds since the epoch; the far future when there is no sunset.
    gone_at: i64,
}

/// All served versions.
#[derive(Debug)]
pub struct Versions {
    prefix: String,
    default: VersionId,
    list: Vec<Version>,
}

impl Versions {
    /// From the configuration, which has been checked.
    #[must_use]
    pub fn compile(config: &config::Versions) -> Self {
        let list: Vec<_> = config.served.iter().map(Version::compile).collect();
        let default = list.iter().position(|version| version.name == config.default).unwrap_or(0);
        Self { prefix: config.prefix.clone(), default, list }
    }

    /// Every version, in the configuration's order.
    #[must_use]
    pub fn list(&self) -> &[Version] {
        &self.list
    }

    /// Below what versions are read from paths.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The version of requests that name none.
    #[must_use]
    pub const fn default(&self) -> VersionId {
        self.default
    }

    /// The version with this name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<VersionId> {
        self.list.iter().position(|version| version.name == name)
    }

    /// One version. Ids come from here, so they are in range; the default stands in for any other.
    #[must_use]
    pub fn get(&self, id: VersionId) -> &Version {
        self.list.get(id).unwrap_or(&self.list[self.default])
    }
}

impl Version {
    fn compile(config: &config::ServedVersion) -> Self {
        let instant = |text: &Option<String>| text.as_deref().and_then(parse_instant);
        let (deprecation, sunset) = (instant(&config.deprecation), instant(&config.sunset));
        // RFC 9745, section 2.1: a structured-field date. RFC 8594, section 3: an HTTP date.
        let deprecated = deprecation.map(|at| ("deprecation", format!("@{}", at.unix_timestamp())));
        let switched_off = sunset.map(|at| ("sunset", http_date(at)));
        let notices = deprecated
            .into_iter()
            .chain(switched_off)
            .filter_map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?)));
        Self {
            name: config.name.clone(),
            header: HeaderValue::from_str(&config.name).unwrap_or(HeaderValue::from_static("v1")),
            deprecation,
            sunset,
            successor: config.successor.clone(),
            notices: notices.collect(),
            gone_at: sunset.map_or(i64::MAX, to_micros),
        }
    }

    /// Whether anything has been announced about its end.
    #[must_use]
    pub fn is_deprecated(&self) -> bool {
        !self.notices.is_empty()
    }

    /// `active`, `deprecated` or `gone`, for people.
    #[must_use]
    pub fn status(&self, clock: &Clock) -> &'static str {
        if self.is_gone(clock) {
            "gone"
        } else if self.is_deprecated() {
            "deprecated"
        } else {
            "active"
        }
    }

    fn is_gone(&self, clock: &Clock) -> bool {
        self.gone_at != i64::MAX && clock.now_micros() >= self.gone_at
    }

    /// 410 once the sunset has come.
    pub fn check_alive(&self, clock: &Clock) -> Result<(), Problem> {
        if !self.is_gone(clock) {
            return Ok(());
        }
        let since = shared::clock::rfc3339(from_micros(self.gone_at));
        let successor = self.successor.as_ref().map_or(String::new(), |name| format!(" Its successor is {name}."));
        Err(Problem::new(Code::VersionGone).detail(format!("{} was switched off at {since}.{successor}", self.name)))
    }

    /// Announces what is known about its end. `rest` is the path without prefix and version.
    pub fn announce(&self, prefix: &str, rest: &str, headers: &mut HeaderMap) {
        for (name, value) in &self.notices {
            headers.insert(name.clone(), value.clone());
        }
        let link = self.successor.as_ref().filter(|_| self.is_deprecated());
        let link = link.map(|successor| format!("<{prefix}/{successor}{rest}>; rel=\"successor-version\""));
        if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
            headers.append(actix_web::http::header::LINK, link);
        }
    }
}

/// Whether a word is a version: `v` and one to four digits.
#[must_use]
pub fn is_version(word: &str) -> bool {
    let digits = word.strip_prefix('v').unwrap_or_default();
    (1..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

/// What follows the prefix, when the path lies below it: `""` or a rest that begins with a slash.
#[must_use]
pub fn below<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// RFC 3339 as the configuration writes it.
#[must_use]
pub fn parse_instant(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

fn http_date(at: OffsetDateTime) -> String {
    actix_web::http::header::HttpDate::from(std::time::SystemTime::from(at)).to_string()
}
