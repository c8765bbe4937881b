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
    let mut names = vec!["Cache-Control"];
    let untagged = ["/entries", "/balance", "/runs", "/post", "/void", "/reverse"];
    let one = path.contains("{id}") && !untagged.iter().any(|end| path.ends_with(end));
    // A decline of a transfer is frozen under its key as a success is.
    let money = ["/transfers", "/exchanges"].iter().any(|part| path.contains(part));
    let named = path.contains("/transfers/{id}/") && matches!(status, "403" | "412");
    let frozen = money && (named || matches!(status, "404" | "409" | "422"));
    names.extend((keyed && (status.starts_with('2') || frozen)).then_some("Idempotent-Replayed"));
    match status {
        "200" | "304" if one || path.starts_with("/.well-known/") => names.push("ETag"),
        "200" if path == "/api/v1/accounts" => names.push("Link"),
        "201" => names.extend(["ETag", "Location"]),
        _ => {}
    }
    names
}
