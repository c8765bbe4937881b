//! For which site passkeys are, and which settings cannot be.

use std::time::Duration;

use shared::config::Report;
use url::{Host, Url};

use crate::config::Config;

/// What passkeys are bound to (a host's name without port), and where pages may be that use them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Site {
    pub rp_id: String,
    pub origins: Vec<String>,
}

/// How Android apps name themselves in place of a page's origin.
const ANDROID: &str = "android:apk-key-hash:";

/// As the settings have it: the issuer's host, and its own pages, where they say nothing.
pub(super) fn site(config: &Config) -> Site {
    let own = Url::parse(&config.tokens.issuer).ok().and_then(own_site);
    let own = own.unwrap_or_else(|| Site { rp_id: String::new(), origins: Vec::new() });
    let set = &config.passkeys;
    Site {
        rp_id: if set.rp_id.is_empty() { own.rp_id } else { set.rp_id.clone() },
        origins: if set.origins.is_empty() { own.origins } else { set.origins.clone() },
    }
}

/// No browser takes an address for a site's name, but each takes `localhost` for the machine that it is on.
fn own_site(mut issuer: Url) -> Option<Site> {
    let here = match issuer.host()? {
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
        Host::Domain(_) => false,
    };
    if here {
        issuer.set_host(Some("localhost")).ok()?;
    }
    Some(Site { rp_id: issuer.host_str()?.to_owned(), origins: vec![issuer.origin().ascii_serialization()] })
}

/// What cannot be.
pub fn check(config: &Config, report: &mut Report<'_>) {
    let set = &config.passkeys;
    let name = |text: &str| {
        let host = Url::parse(&format!("https://{text}/")).ok();
        host.is_some_and(|url| url.host() == Some(Host::Domain(text)))
    };
    report.ensure(set.rp_id.is_empty() || name(&set.rp_id), "passkeys.rp_id", "a host's name, without scheme and port");
    let Site { rp_id, origins } = site(config);
    // Where the issuer is no URL, that is said of the issuer.
    let at_home = rp_id.is_empty() || origins.iter().all(|origin| is_of(origin, &rp_id));
    let rule =
        "each the origin of pages at the rp_id or below it, such as https://app.example.com; http only at localhost";
    report.ensure(at_home, "passkeys.origins", rule);
    report.ensure((1..=100).contains(&set.per_user), "passkeys.per_user", "from 1 to 100");
    let lasts = set.challenge.get();
    let range = Duration::from_secs(30)..=Duration::from_secs(15 * 60);
    report.ensure(range.contains(&lasts), "passkeys.challenge", "from 30s to 15m");
}

/// Whether pages of this origin may use passkeys of that site.
fn is_of(origin: &str, rp_id: &str) -> bool {
    if let Some(hash) = origin.strip_prefix(ANDROID) {
        return !hash.is_empty();
    }
    let Ok(url) = Url::parse(origin) else { return false };
    let host = url.host_str().unwrap_or_default();
    let below = host == rp_id || host.strip_suffix(rp_id).is_some_and(|front| front.ends_with('.'));
    // A page that comes over an open line may be anybody's; browsers let none of them ask, but at home.
    let closed = url.scheme() == "https" || (url.scheme() == "http" && host == "localhost");
    closed && below && url.origin().ascii_serialization() == origin
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(settings: &[(&str, &str)]) -> Result<Site, String> {
        let secret = ("IDENTITY__SECRET", "a secret of the tests, long enough");
        let env = settings.iter().chain([&secret]);
        let env: Vec<_> = env.map(|(key, value)| (format!("TOLLGATE_USERS__{key}"), (*value).to_owned())).collect();
        Config::load(None, &env).map(|config| site(&config)).map_err(|errors| errors.to_string())
    }

    #[test]
    fn the_site_is_the_issuers_unless_the_settings_say_another() {
        let site = |rp_id: &str, origin: &str| Site { rp_id: rp_id.to_owned(), origins: vec![origin.to_owned()] };
        assert_eq!(with(&[]).unwrap(), site("localhost", "http://localhost:8080"));
        let issuer = ("TOKENS__ISSUER", "https://api.example.com");
        assert_eq!(with(&[issuer]).unwrap(), site("api.example.com", "https://api.example.com"));
        let rp_id = ("PASSKEYS__RP_ID", "example.com");
        assert_eq!(with(&[issuer, rp_id]).unwrap(), site("example.com", "https://api.example.com"));
    }

    #[test]
    fn pages_of_other_sites_are_refused_at_the_start() {
        let issuer = ("TOKENS__ISSUER", "https://api.example.com");
        for rp_id in ["https://example.com", "example.com:443", "EXAMPLE.com", "10.0.0.1", "a b", "example.org"] {
            assert!(with(&[issuer, ("PASSKEYS__RP_ID", rp_id)]).is_err(), "{rp_id}");
        }
        let rp_id = ("PASSKEYS__RP_ID", "example.com");
        for origin in ["https://app.example.com", "https://example.com:8443", "android:apk-key-hash:Zm9v"] {
            let origins = ("PASSKEYS__ORIGINS", &*format!("[\"{origin}\"]"));
            assert!(with(&[issuer, rp_id, origins]).is_ok(), "{origin}");
        }
        for origin in [
            "https://evilexample.com",
            "https://example.com/",
            "http://example.com",
            "ftp://example.com",
            "example.com",
            "null",
        ] {
            let origins = ("PASSKEYS__ORIGINS", &*format!("[\"{origin}\"]"));
            assert!(with(&[issuer, rp_id, origins]).is_err(), "{origin}");
        }
    }
}
