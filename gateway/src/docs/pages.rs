//! The pages: Swagger UI, Redoc and the catalogue of problems. Every script comes from this binary, and each page's
//! Content-Security-Policy allows just what it needs.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::{Arc, LazyLock};

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use bytes::Bytes;
use shared::problem::{Code, Problem};
use utoipa_swagger_ui::{Config, Url, serve};

use crate::policy::compress::Same;
use crate::policy::version::{VersionId, Versions};

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
/// A page is small and its scripts change only with a release.
const CACHED: &str = "public, max-age=3600";

const SWAGGER_CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const REDOC_CSP: &str = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src 'self' data:; \
     font-src 'self' data:; connect-src 'self'; worker-src blob:; base-uri 'none'; frame-ancestors 'none'";
const PROBLEMS_CSP: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'";

/// Redoc 2.5, from the npm package `redoc` (MIT, see the licence beside it).
static REDOC_SCRIPT: &[u8] = include_bytes!("../../assets/redoc.standalone.js");

/// The file of Swagger UI that names the versions.
const INITIALIZER: &str = "swagger-initializer.js";

/// The picture in Redoc's corner, which it would fetch from a stranger: its own page forbids that, and says so each time.
const REDOC_PICTURE: &str = "https://cdn.redoc.ly/redoc/logo-mini.svg";
const NO_PICTURE: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/%3E";

static REDOC: LazyLock<Bytes> = LazyLock::new(|| match std::str::from_utf8(REDOC_SCRIPT) {
    Ok(script) => Bytes::from(script.replace(REDOC_PICTURE, NO_PICTURE)),
    Err(_) => Bytes::from_static(REDOC_SCRIPT),
});

static PROBLEMS_PAGE: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(problems_page()));

/// Redoc, on the document of one version or of all.
pub(super) fn redoc(versions: &Versions, version: Option<VersionId>) -> HttpResponse {
    let shown = version.map(|id| versions.get(id).name.as_str());
    let of = |name: Option<&str>| name.map_or_else(String::new, |name| format!("?version={name}"));
    let names = std::iter::once(None).chain(versions.list().iter().map(|version| Some(version.name.as_str())));
    let links = names.map(|name| {
        let mark = if name == shown { " aria-current=\"page\"" } else { "" };
        format!("<a href=\"/redoc{}\"{mark}>{}</a>", of(name), name.unwrap_or("all versions"))
    });
    let (links, query) = (links.collect::<String>(), of(shown));
    let text = format!(
        r#"<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Tollgate API</title>
<link rel="icon" href="data:,">
<style>
body {{ margin: 0 }}
nav {{ position: sticky; top: 0; z-index: 2; background: #1b1b1b; font: 14px/20px system-ui, sans-serif; padding: 10px 20px }}
nav a {{ color: #ddd; margin-right: 16px; text-decoration: none }} nav a[aria-current] {{ color: #fff; font-weight: bold }}
</style></head>
<body><nav>{links}</nav><redoc spec-url="/openapi.json{query}" scroll-y-offset="40" hide-loading></redoc>
<script src="/redoc/redoc.standalone.js"></script></body>
</html>
"#
    );
    made(HTML, REDOC_CSP, Bytes::from(text))
}

/// Redoc's script.
pub(super) fn redoc_script() -> HttpResponse {
    page("/redoc.js", SCRIPT, REDOC_CSP, REDOC.clone())
}

/// Swagger UI's page loads its files from beside it, so it needs the slash.
pub(super) fn to_docs() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((LOCATION, "/docs/")).finish()
}

/// A file of Swagger UI; `None` when there is none by this name.
pub(super) fn swagger(file: &str, versions: &Versions) -> Option<Result<HttpResponse, Problem>> {
    let names = versions.list().iter().map(|version| version.name.as_str());
    let urls: Vec<_> = names.map(|name| (name, format!("/openapi.json?version={name}"))).collect();
    let urls = urls.iter().enumerate().map(|(i, (name, url))| Url::with_primary(name, url, i == versions.default()));
    let config =
        Config::new(urls).try_it_out_enabled(true).persist_authorization(true).deep_linking(true).validator_url("none");
    match serve(if file.is_empty() { "index.html" } else { file }, Arc::new(config)) {
        Ok(Some(found)) => {
            let (kind, body) = (&found.content_type, Bytes::from(found.bytes.into_owned()));
            let mut answer = match file {
                INITIALIZER => made(kind, SWAGGER_CSP, body),
                _ => page(file.to_owned(), kind, SWAGGER_CSP, body),
            };
            if found.gzpipped {
                answer
                    .headers_mut()
                    .insert(CONTENT_ENCODING, actix_web::http::header::HeaderValue::from_static("gzip"));
            }
            Some(Ok(answer))
        }
        Ok(None) => None,
        Err(error) => Some(Err(Problem::internal(error))),
    }
}

/// Where the `type` of every problem leads: `/docs/problems#<code>`.
pub(super) fn problems() -> HttpResponse {
    page("/problems", HTML, PROBLEMS_CSP, PROBLEMS_PAGE.clone())
}

/// A page that never changes while this binary runs. `name`: what is the same has the same.
fn page(name: impl Into<Cow<'static, str>>, kind: &str, policy: &'static str, body: Bytes) -> HttpResponse {
    let mut page = made(kind, policy, body);
    page.extensions_mut().insert(Same(name.into()));
    page
}

/// A page that goes by the configuration.
fn made(kind: &str, policy: &'static str, body: Bytes) -> HttpResponse {
    let mut page = HttpResponse::Ok();
    page.insert_header((CONTENT_TYPE, kind))
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        .insert_header((CACHE_CONTROL, CACHED));
    page.body(body)
}

fn problems_page() -> String {
    let mut rows = String::new();
    for code in Code::ALL {
        let (name, status, title) = (code.as_str(), code.status(), code.title());
        let again = if code.retryable() { "yes" } else { "no" };
        // Writing to a String cannot fail; names and titles are ours and need no escaping.
        let link = format!("<a href=\"#{name}\"><code>{name}</code></a>");
        let _ =
            writeln!(rows, "<tr id=\"{name}\"><td>{link}</td><td>{status}</td><td>{again}</td><td>{title}</td></tr>");
    }
    format!(
        r#"<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Problems · Tollgate API</title>
<link rel="icon" href="data:,">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }} th, td {{ text-align: left; padding: .4rem .6rem; border-bottom: 1px solid #ddd }}
tr:target {{ background: #fff3bf }} code {{ white-space: nowrap }}
</style></head>
<body>
<h1>Problems</h1>
<p>Every error is <code>application/problem+json</code> (RFC 9457). Its <code>code</code> is one of these and never changes its
meaning. "Again" says whether the very same request may succeed later; <code>Retry-After</code> then says when.</p>
<table><thead><tr><th>code</th><th>status</th><th>again</th><th>meaning</th></tr></thead><tbody>
{rows}</tbody></table>
</body>
</html>
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redoc_fetches_nothing_from_strangers() {
        let script = std::str::from_utf8(&REDOC).unwrap();
        assert!(script.contains(NO_PICTURE) && !script.contains("https://cdn."), "the picture has another address now");
    }

    #[test]
    fn every_code_has_its_anchor() {
        let page = problems_page();
        for code in Code::ALL {
            assert!(page.contains(&format!("id=\"{}\"", code.as_str())), "{}", code.as_str());
        }
    }
}
