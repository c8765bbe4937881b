//! The OpenAPI document of this service; the gateway merges it with the others'.

mod errors;
mod headers;

use std::sync::LazyLock;

use serde::Serialize;
use shared::domain::{Role, UserId};
use shared::problem::FieldError;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};

use self::errors::Errors;
use self::headers::Headers;
use crate::users::{v1, v2};
use crate::{keys, passwords, tokens};

/// An error (RFC 9457). `code` is stable; `detail` is for people.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Where the code is explained.
    #[schema(example = "/docs/problems#email_taken")]
    pub r#type: String,
    /// The same each time it occurs.
    pub title: String,
    /// The HTTP status.
    #[schema(example = 409)]
    pub status: u16,
    /// What went wrong this time.
    pub detail: String,
    /// The path that was asked for.
    #[schema(example = "/api/v1/users")]
    pub instance: String,
    /// Stable and in snake_case.
    #[schema(example = "email_taken")]
    pub code: String,
    /// Finds the request in the logs.
    pub request_id: String,
    /// When.
    #[schema(format = DateTime)]
    pub timestamp: String,
    /// At OAuth endpoints: RFC 6749's word.
    #[schema(example = "invalid_grant", nullable = false)]
    pub error: Option<String>,
    /// At OAuth endpoints: the detail once more, under RFC 6749's name.
    #[schema(nullable = false)]
    pub error_description: Option<String>,
    /// Each fault with its place, where there are such.
    #[schema(nullable = false)]
    pub errors: Option<Vec<FieldError>>,
}

/// Everything that is served.
#[derive(OpenApi)]
#[openapi(
    info(title = "Tollgate users", description = "Users, sign-in, sessions, roles.", license(name = "Apache-2.0")),
    paths(
        tokens::http::token, tokens::http::revoke, tokens::http::metadata, keys::http::jwks, passwords::http::change,
        v1::http::register, v1::http::list, v1::http::get, v1::http::patch, v1::http::delete,
        v1::http::set_roles, v1::http::disable, v1::http::enable, v1::http::restore,
        v2::http::register, v2::http::list, v2::http::get, v2::http::patch, v2::http::delete,
        v2::http::set_roles, v2::http::disable, v2::http::enable, v2::http::restore,
    ),
    components(schemas(ProblemBody, Role, UserId)),
    security(("access_token" = [])),
    modifiers(&Security, &SameInBothVersions, &Errors, &Headers),
)]
struct Document;

/// The document as JSON. It never changes while the process runs.
#[must_use]
pub fn document() -> String {
    static JSON: LazyLock<String> = LazyLock::new(|| Document::openapi().to_json().unwrap_or_default());
    JSON.clone()
}

/// Every operation with its path.
fn operations(document: &mut utoipa::openapi::OpenApi) -> impl Iterator<Item = (&str, &mut Operation)> {
    document.paths.paths.iter_mut().flat_map(|(path, item)| {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        operations.into_iter().flatten().map(|operation| (path.as_str(), operation))
    })
}

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("access_token", SecurityScheme::Http(bearer));
    }
}

/// What does not differ between versions is written once, and served under both.
struct SameInBothVersions;

impl Modify for SameInBothVersions {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for path in ["auth/token", "auth/revoke", "users/me/password"] {
            let Some(mut item) = document.paths.paths.get(&format!("/api/v1/{path}")).cloned() else { continue };
            for operation in [&mut item.post, &mut item.put].into_iter().flatten() {
                operation.operation_id = operation.operation_id.take().map(|id| format!("{id}_v2"));
            }
            document.paths.paths.insert(format!("/api/v2/{path}"), item);
        }
    }
}

#[cfg(test)]
mod tests;
