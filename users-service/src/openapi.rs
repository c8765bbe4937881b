//! The OpenAPI document of this service; the gateway merges it with the others'.

mod errors;
mod examples;
mod headers;

use std::sync::LazyLock;

use shared::domain::{Role, UserId};
use shared::http::document::{AccessToken, ProblemBody};
use utoipa::{Modify, OpenApi};

use self::errors::Errors;
use self::headers::Headers;
use crate::users::{Target, export, profile, v1, v2};
use crate::{
    api_keys, audit, avatar, browser, clients, keys, mfa, oauth, passwords, recovery, roles, sessions, step_up, tokens,
};

/// Everything that is served.
#[derive(OpenApi)]
#[openapi(
    info(title = "Tollgate users", description = "Users, sign-in, sessions, roles.", license(name = "Apache-2.0")),
    paths(
        tokens::http::token, tokens::http::revoke, tokens::http::metadata,
        tokens::http::openid_configuration, keys::http::jwks, passwords::http::change,
        step_up::http::step_up,
        mfa::http::read, mfa::http::start, mfa::http::confirm, mfa::http::remove, mfa::http::renew, mfa::http::reset,
        browser::http::create, browser::http::refresh, browser::http::end,
        sessions::http::list, sessions::http::get, sessions::http::end, sessions::http::end_all,
        oauth::consents::http::list, oauth::consents::http::withdraw,
        recovery::http::verify, recovery::http::resend, recovery::http::forgot, recovery::http::reset,
        avatar::http::put, avatar::http::get_own, avatar::http::delete, avatar::http::get,
        audit::http::list,
        clients::http::list, clients::http::register, clients::http::get, clients::http::patch, clients::http::delete,
        clients::http::secret,
        oauth::introspection::introspect, oauth::user_info::get, oauth::user_info::post,
        api_keys::http::list, api_keys::http::make, api_keys::http::get, api_keys::http::revoke,
        api_keys::http::list_of, api_keys::http::revoke_of, recovery::http::send_reset,
        roles::http::permissions, roles::http::list, roles::http::make, roles::http::get, roles::http::patch,
        roles::http::remove,
        v1::http::register, v1::http::list, v1::http::get, v1::http::patch, v1::http::delete,
        profile::http::get, profile::http::put, export::http::export,
        v1::http::set_roles, v1::http::disable, v1::http::enable, v1::http::restore,
        v2::http::register, v2::http::list, v2::http::get, v2::http::patch, v2::http::delete,
        v2::http::set_roles, v2::http::disable, v2::http::enable, v2::http::restore,
    ),
    components(schemas(ProblemBody, Role, Target, UserId)),
    security(("access_token" = [])),
    modifiers(&Passkeys, &AccessToken, &SameInBothVersions, &Errors, &Headers),
)]
struct Document;

/// The document as JSON. It never changes while the process runs.
#[must_use]
pub fn document() -> String {
    static JSON: LazyLock<String> = LazyLock::new(|| {
        let mut document = serde_json::to_value(Document::openapi()).unwrap_or_default();
        examples::add(&mut document);
        serde_json::to_string(&document).unwrap_or_default()
    });
    JSON.clone()
}

/// What a build without passkeys does not serve.
struct Passkeys;

impl Modify for Passkeys {
    #[cfg(feature = "passkeys")]
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        document.merge(crate::passkeys::Document::openapi());
    }

    #[cfg(not(feature = "passkeys"))]
    fn modify(&self, _: &mut utoipa::openapi::OpenApi) {}
}

/// What does not differ between versions is written once, and served under both.
struct SameInBothVersions;

impl Modify for SameInBothVersions {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let paths = &mut document.paths.paths;
        let common = paths.iter().filter_map(|(path, item)| {
            let second = format!("/api/v2/{}", path.strip_prefix("/api/v1/")?);
            (!paths.contains_key(&second)).then(|| (second, item.clone()))
        });
        let common: Vec<_> = common.collect();
        for (path, mut item) in common {
            let methods = [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete];
            for operation in methods.into_iter().flatten() {
                operation.operation_id = operation.operation_id.take().map(|id| format!("{id}_v2"));
            }
            paths.insert(path, item);
        }
    }
}

#[cfg(test)]
mod members;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub use self::tests::refuses_unknown_parameters;
