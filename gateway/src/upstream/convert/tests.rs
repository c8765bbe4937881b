//! Which headers pass, in both directions.

use super::*;

const NOTHING: Forward<'_> =
    Forward { authorization: false, version: false, compress: false, key_header: None, cookie: None };

fn actix(pairs: &[(&str, &str)]) -> ActixHeaders {
    let mut headers = ActixHeaders::new();
    for (name, value) in pairs {
        headers.append(ActixName::from_bytes(name.as_bytes()).unwrap(), ActixValue::from_str(value).unwrap());
    }
    headers
}

fn request_headers(from: &ActixHeaders, forward: Forward<'_>) -> HeaderMap {
    let mut draft = Draft::new(from.len());
    super::request_headers(from, forward, &mut draft);
    draft.finish()
}

fn upstream(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

#[test]
fn no_client_can_say_who_it_is_or_speak_for_the_connection() {
    for name in [
        "X-Tollgate-Assertion",
        "x-tollgate-deadline-ms",
        "x-tollgate-anything",
        "X-User-Id",
        "x-authenticated-user",
        "x-remote-user",
        "x-user-roles",
        "X-Forwarded-For",
        "x-forwarded-proto",
        "X-Forwarded-Host",
        "Forwarded",
        "X-Real-IP",
        "X-Forwarded-Client-Cert",
        "X-Client-Cert-Dn",
        "Client-Cert",
        "Client-Cert-Chain",
        "client_cert",
        "ssl-client-verify",
        "X-SSL-Client-S-DN",
        "X-ARR-ClientCert",
        "X-Amzn-Mtls-Clientcert-Leaf",
        "x_tollgate_assertion",
        "x_user_id",
        "X-Tollgate_Assertion",
        "x_real_ip",
        "true_client_ip",
        "remote_user",
        "Remote-User",
        "X-WEBAUTH-USER",
        "x-goog-authenticated-user-email",
        "X-MS-CLIENT-PRINCIPAL",
        "x-amzn-oidc-identity",
        "Cf-Access-Authenticated-User-Email",
        "oidc_claim_sub",
        "Tailscale-User-Login",
        "X-HTTP-Method-Override",
        "X_HTTP_Method_Override",
        "X-HTTP_Method",
        "x-method-override",
        "x_method-override",
        "X-Forwarded",
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authorization",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "Content-Length",
        "Host",
        "Expect",
        "X-Request-Id",
        "traceparent",
        "tracestate",
        "Authorization",
        "API-Version",
        "X-API-Version",
    ] {
        let sent = request_headers(&actix(&[(name, "forged")]), NOTHING);
        assert!(sent.is_empty(), "{name} went through");
    }
}

#[test]
fn everything_else_goes_on_in_all_its_values() {
    let sent = request_headers(
        &actix(&[
            ("accept", "a"),
            ("accept", "b"),
            ("cookie", "c=1"),
            ("x-custom", "x"),
            ("idempotency-key", "k"),
            ("x_custom", "y"),
        ]),
        NOTHING,
    );
    assert_eq!(sent.get_all("accept").iter().collect::<Vec<_>>(), ["a", "b"]);
    for name in ["cookie", "x-custom", "x_custom", "idempotency-key"] {
        assert!(sent.contains_key(name), "{name}");
    }
}

#[test]
fn what_connection_names_stays_here_in_both_directions() {
    let named = [("Connection", "close, X-Secret"), ("x-secret", "1"), ("x-open", "2")];
    let sent = request_headers(&actix(&named), NOTHING);
    assert!(!sent.contains_key("x-secret") && sent.contains_key("x-open"));
    let mut back = ActixHeaders::new();
    response_headers(&upstream(&named), &mut back);
    assert!(!back.contains_key("x-secret") && back.contains_key("x-open") && !back.contains_key("connection"));
}

#[test]
fn a_route_may_let_authorization_and_version_through() {
    let from = actix(&[("authorization", "Basic x"), ("api-version", "2")]);
    let sent = request_headers(&from, Forward { authorization: true, version: true, ..NOTHING });
    assert_eq!(sent.len(), 2);
}

#[test]
fn an_upstream_cannot_speak_for_the_gateway() {
    let mut back = ActixHeaders::new();
    response_headers(
        &upstream(&[
            ("content-length", "5"),
            ("transfer-encoding", "chunked"),
            ("x-request-id", "own"),
            ("api-version", "v9"),
            ("ratelimit", "x"),
            ("access-control-allow-origin", "*"),
            ("x-tollgate-assertion", "x"),
            ("server", "x"),
            ("etag", "\"1\""),
            ("set-cookie", "a"),
            ("set-cookie", "b"),
            ("cache-control", "private"),
        ]),
        &mut back,
    );
    let names: Vec<_> = back.keys().map(|name| name.as_str().to_owned()).collect();
    assert_eq!(back.get_all("set-cookie").count(), 2);
    assert!(names.iter().all(|name| ["etag", "set-cookie", "cache-control"].contains(&name.as_str())), "{names:?}");
}

#[test]
fn methods_and_statuses_survive() {
    for name in ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "PROPFIND"] {
        assert_eq!(method(&name.parse::<ActixMethod>().unwrap()).as_str(), name);
    }
    assert_eq!(status(StatusCode::IM_A_TEAPOT), ActixStatus::IM_A_TEAPOT);
}

#[test]
fn where_the_gateway_compresses_upstreams_are_asked_for_plain_answers_and_know_their_tags() {
    let from = actix(&[("Accept-Encoding", "gzip"), ("If-Match", "W/\"a\", \"b\""), ("If-None-Match", "W/\"a\"")]);
    let sent = request_headers(&from, Forward { compress: true, ..NOTHING });
    assert!(sent["accept-encoding"] == "identity" && sent["if-match"] == "\"a\", W/\"a\", \"b\"", "{sent:?}");
    assert_eq!(sent["if-none-match"], "\"a\", W/\"a\"");
    let sent = request_headers(&from, NOTHING);
    assert!(sent["accept-encoding"] == "gzip" && sent["if-match"] == "W/\"a\", \"b\"", "{sent:?}");
}

#[test]
fn credentials_of_ours_stay_here() {
    let key = ActixName::from_static("x-api-key");
    let here = Forward { key_header: Some(&key), cookie: Some("__Host-tollgate"), ..NOTHING };
    let sent = |lines: &[(&'static str, &str)], forward: Forward<'_>| {
        let mut from = ActixHeaders::new();
        for (name, value) in lines {
            from.append(ActixName::from_static(name), ActixValue::from_str(value).unwrap());
        }
        let to = request_headers(&from, forward);
        to.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect::<Vec<_>>()
    };
    assert!(sent(&[("x-api-key", "k")], here).is_empty());
    assert_eq!(sent(&[("x-api-key", "k")], Forward { authorization: true, ..here }), ["x-api-key: k"]);
    assert_eq!(sent(&[("x-api-key", "k")], NOTHING), ["x-api-key: k"], "the header is the upstream's own");
    for (cookie, left) in [
        ("a=1; __Host-tollgate=t; b=2", Some("cookie: a=1; b=2")),
        ("__Host-tollgate=t", None),
        (" __Host-tollgate =t ;__Host-tollgate=u", None),
        ("a=1; __Host-tollgate-refresh=t; __Host-tollgate-=u; __Host-tollgate-more", Some("cookie: a=1")),
        ("__Host-tollgates=1; x__Host-tollgate=1", Some("cookie: __Host-tollgates=1; x__Host-tollgate=1")),
        ("a=1;b=2", Some("cookie: a=1;b=2")),
    ] {
        let sent = sent(&[("cookie", cookie)], here);
        assert_eq!(sent.first().map(String::as_str), left, "{cookie}");
        assert!(sent.len() <= 1);
    }
    let lines = [("cookie", "__Host-tollgate=t"), ("cookie", "c=3")];
    assert_eq!(sent(&lines, Forward { authorization: true, ..here }), ["cookie: c=3"], "whatever the route forwards");
    let all = "a=1; __Host-tollgate=t; __Host-tollgate-refresh=u";
    assert_eq!(sent(&[("cookie", all)], NOTHING), [format!("cookie: {all}")], "but where it forwards cookies");
}
