//! Methods by what a browser says of the page, with the cookie and without.

use actix_web::test::TestRequest;
use shared::domain::Roles;

use super::*;

const OWN: &str = "https://api.example";
const FRIEND: &str = "https://app.example";

fn csrf(origins: &[&str], credentials: bool) -> Csrf {
    let config = config::Config::load(None, &[]).unwrap();
    let origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
    Csrf::compile(&config::Cors { origins, credentials, ..config.cors }, &config.authentication.cookie)
}

fn client(tls: bool) -> Client {
    Client { ip: [192, 0, 2, 1].into(), tls }
}

fn passes(csrf: &Csrf, by_cookie: bool, method: &Method, lines: &[(&str, &str)]) -> bool {
    let mut principal = Principal::sample(Roles::NONE, "");
    principal.by_cookie = by_cookie;
    let request = TestRequest::default().method(method.clone()).insert_header((HOST, "api.example"));
    let request = lines.iter().fold(request, |request, line| request.append_header(*line)).to_http_request();
    let checked = csrf.check(Some(&principal), Ambient::Nothing, request.head(), client(true));
    assert!(checked.as_ref().err().is_none_or(|problem| problem.code() == Code::CsrfRefused));
    checked.is_ok()
}

#[test]
fn a_page_s_word_decides_over_what_a_cookie_may_do() {
    let csrf = csrf(&[FRIEND], true);
    let page = "https://api.example/settings?x=1";
    for (lines, expected) in [
        (&[][..], false),
        (&[("sec-fetch-site", "same-origin")], true),
        (&[("sec-fetch-site", "same-site")], false),
        (&[("sec-fetch-site", "cross-site")], false),
        (&[("sec-fetch-site", "none")], false),
        (&[("sec-fetch-site", "SAME-ORIGIN")], false),
        (&[("sec-fetch-site", "")], false),
        (&[("sec-fetch-site", "same-origin, cross-site")], false),
        (&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")], false),
        (&[("sec-fetch-site", "same-origin"), ("origin", OWN)], true),
        // What one header grants the other does not take back by saying nothing of weight.
        (&[("sec-fetch-site", "cross-site"), ("origin", OWN)], false),
        (&[("sec-fetch-site", "cross-site"), ("referer", page)], false),
        (&[("sec-fetch-site", "cross-site"), ("origin", FRIEND)], true),
        (&[("sec-fetch-site", "same-site"), ("origin", FRIEND)], true),
        (&[("sec-fetch-site", "same-site"), ("origin", "https://other.example")], false),
        (&[("origin", OWN)], true),
        (&[("origin", FRIEND)], true),
        (&[("origin", "https://evil.example")], false),
        (&[("origin", "https://api.example.evil.example")], false),
        (&[("origin", "https://evil.example/https://api.example")], false),
        (&[("origin", "http://api.example")], false),
        (&[("origin", "https://api.example:8443")], false),
        (&[("origin", "https://api.example:443")], false),
        (&[("origin", "https://user@api.example")], false),
        (&[("origin", "null")], false),
        (&[("origin", "")], false),
        (&[("origin", "null"), ("referer", page)], false),
        (&[("origin", OWN), ("origin", "https://evil.example")], false),
        (&[("origin", "https://api.example https://evil.example")], false),
        (&[("referer", page)], true),
        (&[("referer", "https://app.example/")], true),
        (&[("referer", "https://evil.example/?https://api.example/")], false),
        (&[("referer", "https://api.example@evil.example/")], false),
        (&[("referer", "/settings")], false),
        (&[("referer", page), ("referer", page)], false),
    ] {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::TRACE, Method::CONNECT] {
            assert_eq!(passes(&csrf, true, &method, lines), expected, "{method} {lines:?}");
            assert!(passes(&csrf, false, &method, lines), "without the cookie nobody asks: {method} {lines:?}");
        }
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert!(passes(&csrf, true, &method, lines), "{method} changes nothing: {lines:?}");
        }
        let socket = [lines, &[("connection", "upgrade"), ("upgrade", "websocket")]].concat();
        assert_eq!(passes(&csrf, true, &Method::GET, &socket), expected, "a WebSocket does: {lines:?}");
    }
}

#[test]
fn only_origins_that_may_send_credentials_are_friends() {
    let lines = [("origin", FRIEND)];
    assert!(!passes(&csrf(&[FRIEND], false), true, &Method::POST, &lines));
    assert!(!passes(&csrf(&["*"], true), true, &Method::POST, &lines));
    assert!(!passes(&csrf(&[], true), true, &Method::POST, &lines));
}

#[test]
fn the_own_origin_is_the_host_that_was_asked_over_the_channel_it_came() {
    let own = |origin: &str, host: &str, tls: bool| {
        let request = TestRequest::default().insert_header((HOST, host)).to_http_request();
        is_own(origin, request.headers(), client(tls))
    };
    assert!(own("https://api.example", "api.example", true) && own("https://api.example", "api.example:443", true));
    assert!(own("https://api.example", "API.example", true), "a host has no case");
    assert!(own("https://api.example:8443", "api.example:8443", true));
    assert!(!own("https://api.example", "api.example:8443", true));
    assert!(!own("http://api.example", "api.example", true), "a page that came in the clear may be anybody's");
    assert!(own("http://api.example", "api.example", false) && own("https://api.example", "api.example", false));
    assert!(own("http://[::1]:8080", "[::1]:8080", false));
    assert!(!own("null", "null", false) && !own("https://", "", true));
}

#[test]
fn nobody_signed_in_is_nobody_s_victim() {
    let request = TestRequest::post().to_http_request();
    assert!(csrf(&[], false).check(None, Ambient::Nothing, request.head(), client(true)).is_ok());
}

#[test]
fn a_certificate_is_sent_by_browsers_too_and_by_others_without_a_word() {
    let (csrf, principal) = (csrf(&[FRIEND], true), Principal::sample(Roles::NONE, ""));
    for (lines, expected) in [
        (&[][..], true),
        (&[("sec-fetch-site", "same-origin")], true),
        (&[("sec-fetch-site", "cross-site")], false),
        (&[("sec-fetch-site", "same-site"), ("origin", FRIEND)], true),
        (&[("sec-fetch-site", "none")], false),
        (&[("origin", OWN)], true),
        (&[("origin", "null")], false),
        (&[("origin", "https://evil.example")], false),
        (&[("referer", "https://evil.example/")], false),
    ] {
        for (method, upgrade) in [(Method::POST, false), (Method::DELETE, false), (Method::GET, true)] {
            let request = TestRequest::default().method(method).insert_header((HOST, "api.example"));
            let request = lines.iter().fold(request, |request, line| request.append_header(*line));
            let request = if upgrade { request.insert_header((UPGRADE, "websocket")) } else { request };
            let request = request.to_http_request();
            let check = |principal| csrf.check(principal, Ambient::Certificate, request.head(), client(true)).is_ok();
            assert_eq!(check(None), expected, "{lines:?}");
            assert!(check(Some(&principal)), "an Authorization header is no page's: {lines:?}");
        }
        let request = lines.iter().fold(TestRequest::get(), |request, line| request.append_header(*line));
        assert!(csrf.check(None, Ambient::Certificate, request.to_http_request().head(), client(true)).is_ok());
    }
}

#[test]
fn no_foreign_page_signs_anybody_in() {
    let csrf = csrf(&[FRIEND], true);
    let cookies = ["__Host-tollgate=t", "theme=dark; __Host-tollgate-refresh=r", "__Host-tollgate-refresh="];
    for (lines, expected, with_cookie) in [
        (&[][..], true, false),
        (&[("sec-fetch-site", "same-origin")], true, true),
        (&[("sec-fetch-site", "cross-site")], false, false),
        (&[("sec-fetch-site", "same-site")], false, false),
        (&[("sec-fetch-site", "none")], false, false),
        (&[("sec-fetch-site", "cross-site"), ("origin", FRIEND)], true, true),
        (&[("origin", OWN)], true, true),
        (&[("origin", "null")], false, false),
        (&[("origin", "https://evil.example")], false, false),
        (&[("origin", OWN), ("origin", OWN)], false, false),
        (&[("referer", "https://api.example/sign-in")], true, true),
        (&[("referer", "https://evil.example/")], false, false),
    ] {
        let passes = |method: Method, cookie: Option<&str>| {
            let request = TestRequest::default().method(method).insert_header((HOST, "api.example"));
            let request = lines.iter().fold(request, |request, line| request.append_header(*line));
            let request = cookie.into_iter().fold(request, |request, cookie| request.append_header(("cookie", cookie)));
            csrf.check(None, Ambient::Page, request.to_http_request().head(), client(true)).is_ok()
        };
        for method in [Method::POST, Method::DELETE] {
            assert_eq!(passes(method.clone(), None), expected, "{method} {lines:?}");
            assert_eq!(passes(method.clone(), Some("theme=dark; __Host-tollgates=t")), expected, "{method} {lines:?}");
            for cookie in cookies {
                assert_eq!(passes(method.clone(), Some(cookie)), with_cookie, "{method} {lines:?} {cookie}");
            }
        }
        assert!(passes(Method::GET, Some(cookies[0])), "{lines:?}");
    }
}
