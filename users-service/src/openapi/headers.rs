//! Which headers each answer carries beside those that all have.

use std::collections::HashSet;

use shared::http::document::add_headers;
use utoipa::Modify;
use utoipa::openapi::OpenApi;

/// Adds them to the document. To be called after the errors are in it.
pub(super) struct Headers;

impl Modify for Headers {
    fn modify(&self, document: &mut OpenApi) {
        let tagged = tagged(document);
        add_headers(document, |path, status, keyed| of(path, status, keyed && !is_secret(path), tagged.contains(path)));
    }
}

/// Where there is something that can have changed, or not.
fn tagged(document: &OpenApi) -> HashSet<String> {
    let items = document.paths.paths.iter().filter(|(_, item)| {
        let operations = [&item.get, &item.put, &item.post, &item.patch, &item.delete].into_iter().flatten();
        operations.into_iter().any(|operation| {
            let statuses = &operation.responses.responses;
            statuses.contains_key("304") || statuses.contains_key("412")
        })
    });
    items.map(|(path, _)| path.clone()).collect()
}

fn of(path: &str, status: &str, replayed: bool, tagged: bool) -> Vec<&'static str> {
    let mut names = Vec::new();
    let done = status.starts_with('2');
    names.extend((done && replayed).then_some("Idempotent-Replayed"));
    names.extend((tagged && (status == "200" || status == "304")).then_some("ETag"));
    match status {
        "200" if path.ends_with("/v1/users") => names.push("Link"),
        // A secret that is given once has no tag.
        "201" if is_secret(path) => names.push("Location"),
        "201" => names.extend(["ETag", "Location"]),
        _ => {}
    }
    names.extend((status != "204" && (done || status == "304")).then_some("Cache-Control"));
    names
}

/// Whether a success here holds a secret, which no replay shows again.
pub(super) fn is_secret(path: &str) -> bool {
    path.ends_with("/users/me/api-keys") || path.contains("/users/me/mfa/")
}
