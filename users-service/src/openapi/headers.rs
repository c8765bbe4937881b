//! Which headers each answer carries beside those that all have.

use shared::http::document::add_headers;
use utoipa::Modify;
use utoipa::openapi::OpenApi;

/// Adds them to the document. To be called after the errors are in it.
pub(super) struct Headers;

impl Modify for Headers {
    fn modify(&self, document: &mut OpenApi) {
        add_headers(document, of);
    }
}

fn of(path: &str, status: &str, keyed: bool) -> Vec<&'static str> {
    let mut names = Vec::new();
    let done = status.starts_with('2');
    let one_user = path.contains("/users/{id}") || path.ends_with("/avatar") || path.starts_with("/.well-known/");
    names.extend((done && keyed).then_some("Idempotent-Replayed"));
    match status {
        "200" | "304" if one_user => names.push("ETag"),
        "200" if path.ends_with("/v1/users") => names.push("Link"),
        "201" => names.extend(["ETag", "Location"]),
        _ => {}
    }
    names.extend((status != "204" && (done || status == "304")).then_some("Cache-Control"));
    names
}
