//! The OpenAPI document of this service; the gateway merges it with the others'.

use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(info(title = "Tollgate accounts", version = "1"))]
struct Document;

/// The document as JSON.
#[must_use]
pub fn document() -> String {
    Document::openapi().to_pretty_json().unwrap_or_default()
}
