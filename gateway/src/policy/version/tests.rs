//! The table of version rules: contract, section 3.

use shared::problem::Context;
use time::macros::datetime;

use super::*;

fn versions() -> Versions {
    let served = |name: &str, successor: Option<&str>, sunset: Option<&str>| config::ServedVersion {
        name: name.to_owned(),
        deprecation: sunset.map(|_| "2026-01-01T00:00:00Z".to_owned()),
        sunset: sunset.map(str::to_owned),
        successor: successor.map(str::to_owned),
    };
    Versions::compile(&config::Versions {
        prefix: "/api".to_owned(),
        default: "v1".to_owned(),
        served: vec![served("v1", Some("v2"), Some("2027-01-01T00:00:00Z")), served("v2", None, None)],
    })
}

fn resolve(path: &str, headers: &[(&'static str, &str)], query: &str) -> Result<String, String> {
    let versions = versions();
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    let id = versions.resolve(versions.split(path).unwrap(), &map, query).map_err(|p| p.code().as_str().to_owned())?;
    Ok(versions.get(id).name.clone())
}

#[test]
fn the_version_comes_from_path_header_query_or_default() {
    for (path, headers, query, expected) in [
        ("/api/users", &[][..], "", "v1"),
        ("/api", &[], "", "v1"),
        ("/api/v2/users", &[], "", "v2"),
        ("/api/v2", &[], "", "v2"),
        ("/api/users", &[("api-version", "v2")], "", "v2"),
        ("/api/users", &[("api-version", "2")], "", "v2"),
        ("/api/users", &[("x-api-version", " 2 ")], "", "v2"),
        ("/api/users", &[], "page=1&version=v2", "v2"),
        ("/api/users", &[], "version=2", "v2"),
        ("/api/v2/users", &[("api-version", "2"), ("x-api-version", "v2")], "version=2", "v2"),
    ] {
        assert_eq!(resolve(path, headers, query).as_deref(), Ok(expected), "{path} {headers:?} {query}");
    }
}

#[test]
fn disagreement_and_unknown_versions_are_refused() {
    for (path, headers, query, expected) in [
        ("/api/v1/users", &[("api-version", "2")][..], "", "version_conflict"),
        ("/api/v1/users", &[], "version=v2", "version_conflict"),
        ("/api/users", &[("api-version", "1"), ("x-api-version", "2")], "", "version_conflict"),
        ("/api/users", &[("api-version", "1"), ("api-version", "2")], "", "version_conflict"),
        ("/api/users", &[("api-version", "1")], "version=2", "version_conflict"),
        ("/api/v9/users", &[], "", "unsupported_version"),
        ("/api/users", &[("api-version", "banana")], "", "unsupported_version"),
        ("/api/users", &[], "version=", "unsupported_version"),
        ("/api/users", &[("x-api-version", "02")], "", "unsupported_version"),
    ] {
        assert_eq!(resolve(path, headers, query), Err(expected.to_owned()), "{path} {headers:?} {query}");
    }
}

#[test]
fn the_problems_name_both_and_list_the_supported() {
    let versions = versions();
    let asked = Asked { in_path: Some("v1"), rest: "/users" };
    let conflict = versions.resolve(asked, &HeaderMap::new(), "version=2").unwrap_err();
    assert_eq!(conflict.to_value(&Context::current())["versions"], serde_json::json!(["v1", "v2"]));
    let unknown = versions.resolve(Asked { in_path: Some("v7"), ..asked }, &HeaderMap::new(), "").unwrap_err();
    assert_eq!(unknown.to_value(&Context::current())["supported"], serde_json::json!(["v1", "v2"]));
}

#[test]
fn words_that_only_look_like_versions_are_resources() {
    let versions = versions();
    for path in ["/api/vx/users", "/api/v/users", "/api/V1/users", "/api/v12345", "/api/version"] {
        assert_eq!(versions.split(path).unwrap().in_path, None, "{path}");
    }
    assert_eq!(versions.split("/apiary/v1"), None);
    assert_eq!(versions.split("/api/v1/users/me").unwrap().rest, "/users/me");
}

#[test]
fn the_end_of_a_version_is_announced_and_comes() {
    let versions = versions();
    let (v1, v2) = (versions.get(0), versions.get(1));
    let mut headers = HeaderMap::new();
    v1.announce("/api", "/users/me", &mut headers);
    assert_eq!(headers.get("deprecation").unwrap(), "@1767225600");
    assert_eq!(headers.get("sunset").unwrap(), "Fri, 01 Jan 2027 00:00:00 GMT");
    assert_eq!(headers.get("link").unwrap(), "</api/v2/users/me>; rel=\"successor-version\"");
    let mut none = HeaderMap::new();
    v2.announce("/api", "/users/me", &mut none);
    assert!(none.is_empty());

    let clock = Clock::manual(datetime!(2026-12-31 23:59:59 UTC));
    assert!(v1.check_alive(&clock).is_ok());
    assert_eq!(v1.status(&clock), "deprecated");
    clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(v1.check_alive(&clock).unwrap_err().code(), Code::VersionGone);
    assert!(v2.check_alive(&clock).is_ok());
}

#[test]
fn the_gateways_own_query_parameter_is_not_sent_on() {
    assert_eq!(without_version("page=1&sort_by=name"), "page=1&sort_by=name");
    assert_eq!(without_version("page=1&version=2&q=x"), "page=1&q=x");
    assert_eq!(without_version("version=2"), "");
}
