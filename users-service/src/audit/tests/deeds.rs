//! Every deed is recorded: an operation that is not in the table below fails, and so does a kind that nothing writes.

mod acts;

use std::collections::HashSet;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::*;
use crate::keys::{KeyOrder, obey};
use crate::testing::{Backend, PASSWORD, Setup, on_both};

on_both! { every_kind_is_written_by_its_deed, }

/// What each operation that changes something leaves behind.
const DEEDS: [(&str, &[Kind]); 49] = [
    ("register", &[Kind::UserRegistered, Kind::RegistrationDeclined]),
    (
        "token",
        &[
            Kind::SignInSucceeded,
            Kind::SignInFailed,
            Kind::SignInThrottled,
            Kind::SignInShed,
            Kind::RefreshReplayed,
            Kind::ClientRefused,
            Kind::ClientThrottled,
            Kind::CodeRedeemed,
            Kind::CodeRefused,
            Kind::CodeReused,
            Kind::RecoveryCodeUsed,
            Kind::PasskeyCloned,
        ],
    ),
    ("revoke", &[Kind::SessionEnded, Kind::ClientTokensEnded]),
    ("introspect", &[Kind::ClientRefused, Kind::ClientThrottled]),
    ("userinfo_by_post", &[]),
    ("register_client", &[Kind::ClientMade]),
    ("patch_client", &[Kind::ClientChanged]),
    ("delete_client", &[Kind::ClientRemoved]),
    ("make_client_secret", &[Kind::ClientSecretMade]),
    (
        "create_cookie_session",
        &[Kind::SignInSucceeded, Kind::SignInFailed, Kind::SignInThrottled, Kind::SignInShed, Kind::PasskeyCloned],
    ),
    ("refresh_cookie_session", &[Kind::RefreshReplayed]),
    ("delete_cookie_session", &[Kind::SessionEnded]),
    ("delete_session", &[Kind::SessionEnded]),
    ("delete_sessions", &[Kind::SessionEnded]),
    ("delete_consent", &[Kind::ConsentWithdrawn, Kind::SessionEnded]),
    (
        "change_password",
        &[Kind::PasswordChanged, Kind::PasswordChangeFailed, Kind::PasswordChangeThrottled, Kind::SessionGuessedIn],
    ),
    (
        "step_up",
        &[
            Kind::StepUpSucceeded,
            Kind::StepUpFailed,
            Kind::StepUpThrottled,
            Kind::SessionGuessedIn,
            Kind::PasskeyCloned,
        ],
    ),
    // What a browser is asked changes nothing.
    ("passkey_sign_in_options", &[]),
    ("passkey_step_up_options", &[]),
    ("passkey_options", &[]),
    ("add_passkey", &[Kind::PasskeyAdded]),
    ("patch_passkey", &[Kind::PasskeyRenamed]),
    ("delete_passkey", &[Kind::PasskeyRemoved]),
    ("start_totp", &[Kind::FactorStarted]),
    ("confirm_totp", &[Kind::FactorAdded, Kind::FactorFailed, Kind::FactorThrottled]),
    ("delete_totp", &[Kind::FactorRemoved]),
    ("delete_factors", &[Kind::FactorRemoved]),
    ("renew_recovery_codes", &[Kind::RecoveryCodesMade]),
    ("verify_email", &[Kind::EmailVerified, Kind::EmailChanged]),
    ("reset_password", &[Kind::PasswordReset]),
    // Asked for by whoever knows an address: nobody is looked up, and what comes of it is above.
    ("resend_verification", &[]),
    ("forgot_password", &[]),
    ("patch_user", &[Kind::EmailChangeAsked, Kind::EmailChanged, Kind::UsernameChanged, Kind::UserChanged]),
    ("put_avatar", &[Kind::UserChanged]),
    ("delete_avatar", &[Kind::UserChanged]),
    ("put_profile", &[Kind::UserChanged]),
    ("export_user", &[Kind::DataExported]),
    ("delete_user", &[Kind::UserDeleted]),
    ("set_roles", &[Kind::RolesChanged]),
    ("make_role", &[Kind::RoleMade]),
    ("patch_role", &[Kind::RoleChanged]),
    ("delete_role", &[Kind::RoleRemoved]),
    ("make_api_key", &[Kind::ApiKeyMade]),
    ("delete_api_key", &[Kind::ApiKeyRevoked]),
    ("delete_api_key_of", &[Kind::ApiKeyRevoked]),
    ("send_password_reset", &[Kind::PasswordResetSent]),
    ("disable_user", &[Kind::UserDisabled]),
    ("enable_user", &[Kind::UserEnabled]),
    ("restore_user", &[Kind::UserRestored]),
];

/// The password that somebody changes theirs to.
const NEW: &str = "another horse battery 8 staple";

/// What no operation does, or all of them, or a page.
const OTHERWISE: [Kind; 7] = [
    Kind::AdministratorMade,
    Kind::UserImported,
    Kind::ConsentGiven,
    Kind::UserPurged,
    Kind::SigningKeyRotated,
    Kind::SigningKeyRevoked,
    Kind::CallRefused,
];

#[test]
fn every_operation_that_changes_something_has_its_events() {
    let document: Value = serde_json::from_str(&crate::openapi::document()).unwrap();
    let items = document["paths"].as_object().unwrap().values();
    let operations = items.flat_map(|item| item.as_object().unwrap()).filter(|(method, _)| *method != "get");
    for (_, operation) in operations.filter(|(_, operation)| operation.is_object()) {
        let id = operation["operationId"].as_str().unwrap();
        let id = id.strip_suffix("_v2").unwrap_or(id);
        assert!(DEEDS.iter().any(|(deed, _)| *deed == id), "{id} leaves nothing in the audit");
    }
    let told: HashSet<_> = DEEDS.iter().flat_map(|(_, kinds)| *kinds).chain(&OTHERWISE).collect();
    for kind in Kind::ALL {
        assert!(told.contains(kind), "nothing writes {}", kind.as_str());
    }
}

/// Who did it, whether to somebody, and in which session.
type Shape = (&'static str, bool, bool);

const fn shape(kind: Kind) -> Shape {
    match kind {
        Kind::AdministratorMade | Kind::UserImported | Kind::UserPurged => ("system", true, false),
        Kind::UserRegistered
        | Kind::EmailVerified
        | Kind::PasswordReset
        | Kind::RecoveryCodeUsed
        | Kind::PasskeyCloned => ("nobody", true, false),
        Kind::SigningKeyRotated | Kind::SigningKeyRevoked => ("system", false, false),
        Kind::RoleMade
        | Kind::RoleChanged
        | Kind::RoleRemoved
        | Kind::ClientMade
        | Kind::ClientChanged
        | Kind::ClientRemoved
        | Kind::ClientSecretMade => ("user", false, true),
        Kind::RegistrationDeclined
        | Kind::SignInFailed
        | Kind::SignInThrottled
        | Kind::SignInShed
        | Kind::ClientRefused
        | Kind::ClientThrottled
        | Kind::ClientTokensEnded => ("nobody", false, false),
        Kind::RefreshReplayed | Kind::CodeRefused | Kind::CodeReused => ("nobody", true, true),
        Kind::EmailChanged
        | Kind::EmailChangeAsked
        | Kind::UsernameChanged
        | Kind::UserChanged
        | Kind::RolesChanged
        | Kind::ApiKeyMade
        | Kind::ApiKeyRevoked
        | Kind::PasswordResetSent
        | Kind::UserDisabled
        | Kind::UserEnabled
        | Kind::UserDeleted
        | Kind::UserRestored
        | Kind::DataExported
        | Kind::PasswordChanged
        | Kind::PasswordChangeFailed
        | Kind::PasswordChangeThrottled
        | Kind::FactorStarted
        | Kind::FactorAdded
        | Kind::FactorRemoved
        | Kind::FactorFailed
        | Kind::FactorThrottled
        | Kind::PasskeyAdded
        | Kind::PasskeyRenamed
        | Kind::PasskeyRemoved
        | Kind::RecoveryCodesMade
        | Kind::StepUpSucceeded
        | Kind::StepUpFailed
        | Kind::StepUpThrottled
        | Kind::SessionGuessedIn
        | Kind::SignInSucceeded
        | Kind::SessionEnded
        | Kind::ConsentGiven
        | Kind::ConsentWithdrawn
        | Kind::CodeRedeemed
        | Kind::CallRefused => ("user", true, true),
    }
}

async fn every_kind_is_written_by_its_deed(backend: Backend) {
    let setup = Setup::on(backend).set("throttle.enabled", "true").set("throttle.attempts", "2");
    let setup = setup.set("hashing.workers", "1").set("hashing.queue", "1").set("hashing.memory_kib", "4096");
    let setup = setup.set("mfa.attempts", "2").set("sessions.wrong_proofs", "3");
    let service = setup.start().await;
    let (admin, ada) = (service.administrator().await, service.person("adalovelace").await);
    let path = format!("/api/v1/users/{}", ada.id);
    acts::administer(&service, &admin, &path).await;
    acts::by_mail(&service).await;
    acts::hand_out_power(&service, &admin).await;
    let ada = service.sign_in("countess@example.org").await;
    service.call(Method::GET, "/api/v1/users/me/export").by(&ada).send().await.expect(200);
    let moving = json!({"email": "ada@example.net"});
    service.call(Method::PATCH, "/api/v1/users/me").by(&ada).json(&moving).send().await.expect(200);
    acts::come_and_go(&service).await;
    acts::let_clients_in(&service, &admin).await;
    acts::guess(&service, &ada).await;
    acts::protect(&service).await;
    let (other, patch) = (format!("/api/v1/users/{}", admin.id), json!({"name": "x"}));
    let support = acts::as_support(&ada);
    service.call(Method::PATCH, &other).by(&support).json(&patch).send().await.expect_problem(403, "forbidden");
    // And by itself.
    service.call(Method::DELETE, &path).by(&admin).send().await.expect(204);
    let clock = service.clock.clone();
    clock.advance(Duration::from_secs(31 * 86_400));
    let ground = service.halt().await;
    let before = events_of(&ground).await;
    let quiet = Setup::on(backend).set("registration.disclose_existing", "false");
    let service = quiet.at(clock).start_on(ground).await;
    service.register(&json!({"email": admin.email, "username": "usurper", "password": PASSWORD})).await.expect(202);
    let keys = service.call(Method::GET, "/.well-known/jwks.json").send().await.expect(200);
    let revoke = KeyOrder::Revoke(keys.text("/keys/0/kid"));
    let _ = obey(&service.config, &service.clock, revoke).await.unwrap();
    acts::bring_over(&service).await;
    let events = until_events(&service, |events| count(events, Kind::UserPurged) == 1).await;

    for kind in Kind::ALL {
        let found: Vec<_> = events.iter().filter(|event| event.kind == kind.as_str()).collect();
        assert!(!found.is_empty(), "no {}", kind.as_str());
        for event in found {
            let is = (event.actor_kind.as_str(), event.subject_id.is_some(), event.session_id.is_some());
            assert_eq!((is, event.outcome.as_str()), (shape(*kind), kind.outcome().as_str()), "{}", kind.as_str());
        }
    }
    let once = [Kind::RolesChanged, Kind::UserDisabled, Kind::RefreshReplayed, Kind::PasswordChanged];
    for kind in once {
        assert_eq!(count(&events, kind), 1, "{} is not written by what changes nothing", kind.as_str());
    }
    // One was given back, and one was opened by a code that came twice.
    assert_eq!(count(&events, Kind::SessionEnded), 2);
    let of = |kind: Kind| before.iter().find(|event| event.kind == kind.as_str()).unwrap();
    let email = json!({"before": "adalovelace@example.org", "after": "countess@example.org"});
    assert_eq!(detail(of(Kind::EmailChanged)), email);
    assert_eq!(detail(of(Kind::UserChanged)), json!({"members": ["name", "phone"]}), "which, but not their values");
    assert_eq!(detail(of(Kind::CallRefused)), json!({"call": "PATCH /api/v1/users/{id}"}));
    assert_eq!(of(Kind::CallRefused).subject_id, Some(admin.id.as_uuid()));
    assert_eq!(of(Kind::RolesChanged).actor, Some(admin.id.to_string()));
    let said = format!("{before:?}");
    assert!(!said.contains(NEW) && !said.contains(PASSWORD) && !said.contains("wrong horse"));
    service.stop().await;
}
