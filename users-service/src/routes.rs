//! Every route, by version: the service answers at the public paths, so that a link of its is a public one.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Resource, Scope};
use shared::http::method_not_allowed;

use crate::oauth::{self, authorize};
#[cfg(feature = "passkeys")]
use crate::passkeys;
use crate::users::{export, profile, v1, v2};
use crate::{
    api_keys, audit, avatar, browser, clients, keys, mfa, openapi, pages, passwords, probes, recovery, roles, sessions,
    step_up, tokens,
};

/// Registers everything.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(version_1(web::scope("/api/v1")))
        .service(version_2(web::scope("/api/v2")))
        .service(
            page("/.well-known/jwks.json")
                .route(web::get().to(keys::http::jwks))
                .route(web::head().to(keys::http::jwks)),
        )
        .service(
            page("/.well-known/oauth-authorization-server")
                .route(web::get().to(tokens::http::metadata))
                .route(web::head().to(tokens::http::metadata)),
        )
        .service(
            page("/.well-known/openid-configuration")
                .route(web::get().to(tokens::http::openid_configuration))
                .route(web::head().to(tokens::http::openid_configuration)),
        )
        .service(
            resource("/oauth/authorize", "GET, HEAD, POST")
                .route(web::get().to(authorize::ask))
                .route(web::head().to(authorize::look))
                .route(web::post().to(authorize::ask_by_form)),
        )
        .service(resource("/oauth/sign-in", "POST").route(web::post().to(authorize::sign_in)))
        .service(
            resource("/oauth/consent", "GET, HEAD, POST")
                .route(web::get().to(authorize::question))
                .route(web::head().to(authorize::glance))
                .route(web::post().to(authorize::decision)),
        )
        .service(
            resource("/account/{page}", "GET, HEAD, POST")
                .route(web::get().to(pages::show))
                .route(web::head().to(pages::show))
                .route(web::post().to(pages::submit)),
        )
        .service(page("/livez").route(web::get().to(probes::live)).route(web::head().to(probes::live)))
        .service(page("/readyz").route(web::get().to(probes::ready)).route(web::head().to(probes::ready)))
        .service(page("/metrics").route(web::get().to(probes::scrape)).route(web::head().to(probes::scrape)))
        .service(page("/openapi.json").route(web::get().to(document)).route(web::head().to(document)));
    shared::http::configure(config);
}

/// `/users/me` is `/users/{id}` with `me` for the id; only what `me` alone has stands by itself.
macro_rules! users {
    ($scope:expr, $version:ident) => {
        avatars(common($scope))
            .service(
                resource("/users", "GET, HEAD, POST")
                    .route(web::get().to($version::http::list))
                    .route(web::head().to($version::http::list))
                    .route(web::post().to($version::http::register)),
            )
            .service(
                resource("/users/{id}", "GET, HEAD, PATCH, DELETE")
                    .route(web::get().to($version::http::get))
                    .route(web::head().to($version::http::get))
                    .route(web::patch().to($version::http::patch))
                    .route(web::delete().to($version::http::delete)),
            )
            .service(resource("/users/{id}/roles", "PUT").route(web::put().to($version::http::set_roles)))
            .service(resource("/users/{id}/disable", "POST").route(web::post().to($version::http::disable)))
            .service(resource("/users/{id}/enable", "POST").route(web::post().to($version::http::enable)))
            .service(resource("/users/{id}/restore", "POST").route(web::post().to($version::http::restore)))
    };
}

fn version_1(scope: Scope) -> Scope {
    users!(scope, v1)
}

fn version_2(scope: Scope) -> Scope {
    users!(scope, v2)
}

/// Images of people.
fn avatars(scope: Scope) -> Scope {
    scope
        .service(
            resource("/users/me/avatar", "GET, HEAD, PUT, DELETE")
                .route(web::get().to(avatar::http::get_own))
                .route(web::head().to(avatar::http::get_own))
                .route(web::put().to(avatar::http::put))
                .route(web::delete().to(avatar::http::delete)),
        )
        .service(
            resource("/users/{id}/avatar", "GET, HEAD")
                .route(web::get().to(avatar::http::get))
                .route(web::head().to(avatar::http::get)),
        )
}

/// What is the same in every version.
fn common(scope: Scope) -> Scope {
    passkeys(own(power(proof(scope))))
}

/// Keys in people's devices.
#[cfg(feature = "passkeys")]
fn passkeys(scope: Scope) -> Scope {
    scope
        .service(resource("/auth/passkeys/options", "POST").route(web::post().to(passkeys::http::anybodys)))
        .service(resource("/auth/step-up/options", "POST").route(web::post().to(passkeys::http::own)))
        .service(resource("/users/me/passkeys/options", "POST").route(web::post().to(passkeys::http::options)))
        .service(
            resource("/users/me/passkeys", "GET, HEAD, POST")
                .route(web::get().to(passkeys::http::list))
                .route(web::head().to(passkeys::http::list))
                .route(web::post().to(passkeys::http::make)),
        )
        .service(
            resource("/users/me/passkeys/{id}", "GET, HEAD, PATCH, DELETE")
                .route(web::get().to(passkeys::http::get))
                .route(web::head().to(passkeys::http::get))
                .route(web::patch().to(passkeys::http::patch))
                .route(web::delete().to(passkeys::http::remove)),
        )
}

#[cfg(not(feature = "passkeys"))]
fn passkeys(scope: Scope) -> Scope {
    scope
}

/// Signing in, and what goes by mail.
fn proof(scope: Scope) -> Scope {
    scope
        .service(resource("/auth/token", "POST").route(web::post().to(tokens::http::token)))
        .service(resource("/auth/revoke", "POST").route(web::post().to(tokens::http::revoke)))
        .service(resource("/auth/introspect", "POST").route(web::post().to(oauth::introspection::introspect)))
        .service(
            resource("/auth/userinfo", "GET, HEAD, POST")
                .route(web::get().to(oauth::user_info::get))
                .route(web::head().to(oauth::user_info::get))
                .route(web::post().to(oauth::user_info::post)),
        )
        .service(resource("/auth/step-up", "POST").route(web::post().to(step_up::http::step_up)))
        .service(
            resource("/auth/session", "POST, DELETE")
                .route(web::post().to(browser::http::create))
                .route(web::delete().to(browser::http::end)),
        )
        .service(resource("/auth/session/refresh", "POST").route(web::post().to(browser::http::refresh)))
        .service(resource("/auth/email/verify", "POST").route(web::post().to(recovery::http::verify)))
        .service(resource("/auth/email/resend", "POST").route(web::post().to(recovery::http::resend)))
        .service(resource("/auth/password/forgot", "POST").route(web::post().to(recovery::http::forgot)))
        .service(resource("/auth/password/reset", "POST").route(web::post().to(recovery::http::reset)))
}

/// Who may do what: clients, keys, roles, and what was done.
fn power(scope: Scope) -> Scope {
    scope
        .service(
            resource("/clients", "GET, HEAD, POST")
                .route(web::get().to(clients::http::list))
                .route(web::head().to(clients::http::list))
                .route(web::post().to(clients::http::register)),
        )
        .service(
            resource("/clients/{id}", "GET, HEAD, PATCH, DELETE")
                .route(web::get().to(clients::http::get))
                .route(web::head().to(clients::http::get))
                .route(web::patch().to(clients::http::patch))
                .route(web::delete().to(clients::http::delete)),
        )
        .service(resource("/clients/{id}/secret", "POST").route(web::post().to(clients::http::secret)))
        .service(
            resource("/audit/events", "GET, HEAD")
                .route(web::get().to(audit::http::list))
                .route(web::head().to(audit::http::list)),
        )
        .service(
            resource("/users/me/api-keys", "GET, HEAD, POST")
                .route(web::get().to(api_keys::http::list))
                .route(web::head().to(api_keys::http::list))
                .route(web::post().to(api_keys::http::make)),
        )
        .service(
            resource("/users/me/api-keys/{id}", "GET, HEAD, DELETE")
                .route(web::get().to(api_keys::http::get))
                .route(web::head().to(api_keys::http::get))
                .route(web::delete().to(api_keys::http::revoke)),
        )
        .service(
            resource("/users/{id}/api-keys", "GET, HEAD")
                .route(web::get().to(api_keys::http::list_of))
                .route(web::head().to(api_keys::http::list_of)),
        )
        .service(resource("/users/{id}/api-keys/{key}", "DELETE").route(web::delete().to(api_keys::http::revoke_of)))
        .service(resource("/users/{id}/password-reset", "POST").route(web::post().to(recovery::http::send_reset)))
        .service(
            resource("/permissions", "GET, HEAD")
                .route(web::get().to(roles::http::permissions))
                .route(web::head().to(roles::http::permissions)),
        )
        .service(
            resource("/roles", "GET, HEAD, POST")
                .route(web::get().to(roles::http::list))
                .route(web::head().to(roles::http::list))
                .route(web::post().to(roles::http::make)),
        )
        .service(
            resource("/roles/{name}", "GET, HEAD, PATCH, DELETE")
                .route(web::get().to(roles::http::get))
                .route(web::head().to(roles::http::get))
                .route(web::patch().to(roles::http::patch))
                .route(web::delete().to(roles::http::remove)),
        )
}

/// What somebody has here.
fn own(scope: Scope) -> Scope {
    scope
        .service(
            resource("/users/me/consents", "GET, HEAD")
                .route(web::get().to(oauth::consents::http::list))
                .route(web::head().to(oauth::consents::http::list)),
        )
        .service(resource("/users/me/consents/{id}", "DELETE").route(web::delete().to(oauth::consents::http::withdraw)))
        .service(
            resource("/users/{id}/sessions", "GET, HEAD, DELETE")
                .route(web::get().to(sessions::http::list))
                .route(web::head().to(sessions::http::list))
                .route(web::delete().to(sessions::http::end_all)),
        )
        .service(
            resource("/users/{id}/sessions/{sid}", "GET, HEAD, DELETE")
                .route(web::get().to(sessions::http::get))
                .route(web::head().to(sessions::http::get))
                .route(web::delete().to(sessions::http::end)),
        )
        .service(
            resource("/users/me/profile", "GET, HEAD, PUT")
                .route(web::get().to(profile::http::get))
                .route(web::head().to(profile::http::get))
                .route(web::put().to(profile::http::put)),
        )
        .service(
            resource("/users/me/export", "GET, HEAD")
                .route(web::get().to(export::http::export))
                .route(web::head().to(export::http::head)),
        )
        .service(resource("/users/me/password", "PUT").route(web::put().to(passwords::http::change)))
        .service(
            resource("/users/me/mfa", "GET, HEAD")
                .route(web::get().to(mfa::http::read))
                .route(web::head().to(mfa::http::read)),
        )
        .service(
            resource("/users/me/mfa/totp", "POST, DELETE")
                .route(web::post().to(mfa::http::start))
                .route(web::delete().to(mfa::http::remove)),
        )
        .service(resource("/users/me/mfa/totp/confirm", "POST").route(web::post().to(mfa::http::confirm)))
        .service(resource("/users/{id}/mfa", "DELETE").route(web::delete().to(mfa::http::reset)))
        .service(resource("/users/me/mfa/recovery-codes", "POST").route(web::post().to(mfa::http::renew)))
}

fn resource(path: &'static str, methods: &'static str) -> Resource {
    web::resource(path).default_service(method_not_allowed(methods))
}

fn page(path: &'static str) -> Resource {
    resource(path, "GET, HEAD")
}

async fn document() -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json")).body(openapi::document())
}

#[cfg(test)]
mod tests;
