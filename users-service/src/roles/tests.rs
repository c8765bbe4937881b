//! Nobody gives or takes away what they do not hold, whatever they ask at whatever moment; and what is lost bites at once.

use std::sync::Arc;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use shared::auth::User;
use shared::domain::{ApiKeyId, Permission, Permissions, Role, Roles};
use shared::store::{RevocationList, Verdict};

use super::*;
use crate::testing::{Answer, Backend, Person, Running, Setup, on_both};

on_both! {
    nobody_grants_what_they_do_not_hold,
    a_custom_role_is_made_read_changed_and_removed,
    what_cannot_be_a_role_is_refused,
    a_shrunk_role_is_known_to_gateways_when_it_is_answered,
    who_lost_it_meanwhile_gives_nothing,
    only_a_session_of_ones_own_hands_out_power,
    who_may_do_less_does_nothing_to_who_may_do_more,
    no_custom_role_makes_an_administrator,
    of_many_makers_of_one_name_one_makes_it,
}

#[test]
fn roles_read_back_and_no_word_is_part_of_another() {
    for bits in 0..16_u8 {
        let roles: Roles =
            Role::ALL.into_iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1).map(|(_, r)| r).collect();
        assert_eq!(parse_roles(&write_roles(roles)), roles);
    }
    assert_eq!(parse_roles("user emperor"), Roles::NONE.with(Role::User));
    let all: Permissions = Permission::ALL.iter().copied().collect();
    assert_eq!(parse_permissions(&write_permissions(all)), all);
    assert_eq!(parse_permissions("moon:visit audit:read"), Permissions::NONE.with(Permission::AuditRead));
    assert!(parse_permissions(&write_permissions(Permissions::NONE)).is_empty());
    // What a newer release has written stays, whatever this one makes of the rest.
    let one = Permissions::default().union(parse_permissions("audit:read"));
    assert_eq!(rewrite_permissions("users:read moons:paint", one), "audit:read moons:paint");
    assert_eq!(rewrite_permissions("", one), "audit:read");
    // The list's role filter looks for the word anywhere in the column.
    for a in Role::ALL {
        for b in Role::ALL {
            assert!(a == b || !a.as_str().contains(b.as_str()), "{a} {b}");
        }
    }
}

impl Running {
    async fn make_role(&self, by: &Person, name: &str, permissions: &[&str]) -> Answer {
        let body = json!({"name": name, "permissions": permissions});
        self.call(Method::POST, "/api/v1/roles").by(by).json(&body).send().await
    }

    async fn patch_role(&self, by: &Person, name: &str, patch: &Value) -> Answer {
        self.call(Method::PATCH, &format!("/api/v1/roles/{name}")).by(by).json(patch).send().await
    }

    async fn give(&self, by: &Person, to: &Person, roles: &[&str]) -> Answer {
        let path = format!("/api/v2/users/{}/roles", to.id);
        self.call(Method::PUT, &path).by(by).json(&json!({"roles": roles})).send().await
    }

    /// The same person with these roles and a new session.
    pub(crate) async fn with_roles_of(&self, admin: &Person, person: &Person, roles: &[&str]) -> Person {
        self.give(admin, person, roles).await.expect(200);
        self.sign_in(&person.email).await
    }
}

fn held(words: &[&str]) -> Permissions {
    words.iter().map(|word| word.parse::<Permission>().unwrap()).collect()
}

async fn nobody_grants_what_they_do_not_hold(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (admin, giver, ada) =
        (service.administrator().await, service.person("evelyn").await, service.person("adalovelace").await);
    service.make_role(&admin, "giver", &["roles:assign", "roles:manage", "audit:read"]).await.expect(201);
    service.make_role(&admin, "auditor", &["audit:read"]).await.expect(201);
    service.make_role(&admin, "warden", &["audit:read", "keys:manage"]).await.expect(201);
    let words = ["support", "treasurer", "admin", "auditor", "warden", "giver"];
    for own in [None, Some("support"), Some("treasurer"), Some("warden"), Some("admin")] {
        let roles: Vec<&str> = ["user", "giver"].into_iter().chain(own).collect();
        let giver = service.with_roles_of(&admin, &giver, &roles).await;
        for word in words {
            let may = own == Some("admin") || own == Some(word) || word == "auditor" || word == "giver";
            let given = service.give(&giver, &ada, &[word, "user"]).await;
            if may {
                let shown = given.expect(200).json();
                assert!(shown["roles"].as_array().unwrap().contains(&json!(word)), "{own:?} {shown}");
            } else {
                let problem = given.expect_problem(403, "forbidden").json();
                let fault = (&problem["errors"][0]["pointer"], &problem["errors"][0]["code"]);
                assert_eq!(fault, (&json!("/roles/0"), &json!("not_held")), "{own:?} {word}");
            }
            // And the other way round: what an administrator gave is not theirs to take.
            service.give(&admin, &ada, &["user", word]).await.expect(200);
            let taken = service.give(&giver, &ada, &["user"]).await;
            let taken = if may { taken.expect(200) } else { taken.expect_problem(403, "forbidden") };
            assert!(may || taken.json()["errors"][0]["pointer"] == "/roles", "{own:?} {word}");
            service.give(&admin, &ada, &["user"]).await.expect(200);
        }
        // No more in a role of one's own making, nor to one that there is.
        let made = service.make_role(&giver, "made", &["clients:manage"]).await;
        let patched = service.patch_role(&giver, "giver", &json!({"permissions": ["clients:manage"]})).await;
        let name = json!({"permissions": ["audit:read"]});
        let narrowed = service.patch_role(&giver, "warden", &name).await;
        if own == Some("admin") {
            made.expect(201);
            patched.expect(200);
            narrowed.expect(200);
        } else {
            made.expect_problem(403, "forbidden");
            patched.expect_problem(403, "forbidden");
            narrowed.expect(if own == Some("warden") { 200 } else { 403 });
            service
                .patch_role(&admin, "warden", &json!({"permissions": ["audit:read", "keys:manage"]}))
                .await
                .expect(200);
        }
    }
    service.stop().await;
}

async fn a_custom_role_is_made_read_changed_and_removed(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (admin, ada) = (service.administrator().await, service.person("adalovelace").await);
    let body =
        json!({"name": "auditor", "description": "Reads.", "permissions": ["users:read", "audit:read", "audit:read"]});
    let post = async || service.call(Method::POST, "/api/v1/roles").by(&admin).key("r1").json(&body).send().await;
    let made = post().await.expect(201);
    let shown = json!({"name": "auditor", "description": "Reads.", "permissions": ["users:read", "audit:read"], "built_in": false});
    assert_eq!((made.json(), made.header("location")), (shown.clone(), "/api/v1/roles/auditor".to_owned()));
    assert_eq!(post().await.expect(201).header("idempotent-replayed"), "true");
    let path = "/api/v1/roles/auditor";
    let read = service.call(Method::GET, path).by(&admin).send().await.expect(200);
    let tag = read.header("etag");
    assert_eq!((read.json(), &tag), (shown, &made.header("etag")));
    service.call(Method::GET, path).by(&admin).header("if-none-match", &tag).send().await.expect(304);
    service.call(Method::GET, path).by(&ada).send().await.expect_problem(403, "forbidden");

    let given = service.give(&admin, &ada, &["auditor", "user", "auditor"]).await.expect(200);
    assert_eq!(given.json()["roles"], json!(["user", "auditor"]));
    let again = service.sign_in(&ada.email).await;
    assert_eq!(again.claims.permissions, held(&["users:read", "audit:read"]));
    assert_eq!(again.claims.roles, Roles::NONE.with(Role::User));
    service.call(Method::GET, "/api/v1/audit/events").by(&again).send().await.expect(200);
    service.call(Method::GET, "/api/v1/audit/events").by(&ada).send().await.expect_problem(403, "forbidden");
    let listed = service.call(Method::GET, "/api/v2/users?role=auditor").by(&again).send().await.expect(200).json();
    assert_eq!((listed["data"].as_array().unwrap().len(), &listed["data"][0]["id"]), (1, &json!(ada.id)));
    service
        .call(Method::GET, "/api/v2/users?role=Emperor!")
        .by(&again)
        .send()
        .await
        .expect_problem(422, "validation_failed");

    service.call(Method::DELETE, path).by(&admin).send().await.expect_problem(409, "state_conflict");
    let patch = json!({"description": null, "permissions": ["audit:read"]});
    let patched =
        service.call(Method::PATCH, path).by(&admin).header("if-match", &tag).json(&patch).send().await.expect(200);
    assert_eq!((patched.json()["description"].clone(), patched.header("etag") == tag), (json!(""), false));
    service.call(Method::PATCH, path).by(&admin).header("if-match", &tag).json(&patch).send().await.expect(412);
    service.patch_role(&admin, "auditor", &json!({"permissions": null})).await.expect_problem(422, "validation_failed");
    assert_eq!(service.refresh(&again.refresh_token).await.expect(200).status, 200);
    assert_eq!(service.sign_in(&ada.email).await.claims.permissions, held(&["audit:read"]));
    service.give(&admin, &ada, &["user"]).await.expect(200);
    service.call(Method::DELETE, path).by(&admin).header("if-match", &tag).send().await.expect(412);
    service.call(Method::DELETE, path).by(&admin).send().await.expect(204);
    service.call(Method::GET, path).by(&admin).send().await.expect_problem(404, "not_found");

    let roles = service.call(Method::GET, "/api/v1/roles").by(&admin).send().await.expect(200).json();
    let names: Vec<_> = roles["data"].as_array().unwrap().iter().map(|role| role["name"].clone()).collect();
    assert_eq!(json!(names), json!(["user", "support", "treasurer", "admin"]));
    let permissions = service.call(Method::GET, "/api/v1/permissions").by(&admin).send().await.expect(200).json();
    assert_eq!(permissions["data"].as_array().unwrap().len(), Permission::ALL.len());
    service.stop().await;
}

async fn what_cannot_be_a_role_is_refused(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (admin, ada) = (service.administrator().await, service.person("adalovelace").await);
    for name in ["", "a", "Auditor", "an auditor", "1st", "admin", "user", "a.b", "ünd", "x\u{0}y", &"x".repeat(51)] {
        let refused = service.make_role(&admin, name, &["audit:read"]).await.expect_problem(422, "validation_failed");
        assert_eq!(refused.json()["errors"][0]["pointer"], "/name", "{name}");
    }
    let long = json!({"name": "fine", "description": "x".repeat(201), "permissions": []});
    service
        .call(Method::POST, "/api/v1/roles")
        .by(&admin)
        .json(&long)
        .send()
        .await
        .expect_problem(422, "validation_failed");
    service.make_role(&admin, "fine", &["root"]).await.expect(422);
    service.make_role(&admin, "fine", &[]).await.expect(201);
    service.make_role(&admin, "fine", &[]).await.expect_problem(409, "state_conflict");
    for name in ["admin", "user"] {
        service.patch_role(&admin, name, &json!({"permissions": []})).await.expect_problem(409, "state_conflict");
        let path = format!("/api/v1/roles/{name}");
        service.call(Method::DELETE, &path).by(&admin).send().await.expect_problem(409, "state_conflict");
        assert_eq!(service.call(Method::GET, &path).by(&admin).send().await.expect(200).json()["built_in"], true);
    }
    service.patch_role(&admin, "nothing", &json!({})).await.expect_problem(404, "not_found");
    service.patch_role(&admin, "No%20Name", &json!({})).await.expect_problem(404, "not_found");
    for (roles, pointer) in [(&["user", "emperor"][..], "/roles/1"), (&["", "user"], "/roles/0"), (&[], "/roles")] {
        let refused = service.give(&admin, &ada, roles).await.expect_problem(422, "validation_failed").json();
        assert_eq!(refused["errors"][0]["pointer"], pointer);
    }
    service.give(&admin, &ada, &vec!["user"; 65]).await.expect_problem(422, "validation_failed");
    service.stop().await;
}

async fn a_shrunk_role_is_known_to_gateways_when_it_is_answered(backend: Backend) {
    let service = Setup::on(backend).set("roles.most_holders", "2").start().await;
    let list = Arc::new(RevocationList::new(service.clock.clone()));
    let _follower = service.stores.revocations.follow(Arc::clone(&list));
    let admin = service.administrator().await;
    service.make_role(&admin, "auditor", &["audit:read", "users:read"]).await.expect(201);
    service.make_role(&admin, "reader", &["users:read"]).await.expect(201);
    let (ada, eve) = (service.person("adalovelace").await, service.person("evelyn").await);
    let ada = service.with_roles_of(&admin, &ada, &["user", "auditor"]).await;
    let eve = service.with_roles_of(&admin, &eve, &["user", "support", "auditor", "reader"]).await;
    let worth = |person: &Person| list.check(person.id, person.claims.sid, person.claims.ver);
    assert_eq!((worth(&ada), worth(&eve)), (Verdict::Valid, Verdict::Valid));

    service.patch_role(&admin, "auditor", &json!({"permissions": ["audit:read"]})).await.expect(200);
    let roles = Roles::NONE.with(Role::User);
    assert_eq!(worth(&ada), Verdict::Roles(roles, held(&["audit:read"])));
    assert_eq!(worth(&eve), Verdict::Valid, "another role of theirs still permits it");
    // More is no revocation, but in every token from now on.
    service.patch_role(&admin, "auditor", &json!({"permissions": ["audit:read", "keys:manage"]})).await.expect(200);
    assert_eq!(worth(&eve), Verdict::Valid);
    let eve = service.sign_in(&eve.email).await;
    assert_eq!(eve.claims.permissions, held(&["audit:read", "keys:manage", "users:read"]));
    service.give(&admin, &eve, &["user", "support", "reader"]).await.expect(200);
    assert_eq!(worth(&eve), Verdict::Roles(roles.with(Role::Support), held(&["users:read"])));

    // A deleted holder has lost it when they are restored, and can be restored no longer for it.
    service.call(Method::DELETE, &format!("/api/v1/users/{}", ada.id)).by(&admin).send().await.expect(204);
    service.clock.advance(std::time::Duration::from_secs(86_400));
    let admin = service.administrator().await;
    service.patch_role(&admin, "auditor", &json!({"permissions": []})).await.expect(200);
    service.call(Method::POST, &format!("/api/v1/users/{}/restore", ada.id)).by(&admin).send().await.expect(200);
    assert!(service.sign_in(&ada.email).await.claims.permissions.is_empty());

    for name in ["first", "second"] {
        let person = service.person(name).await;
        service.give(&admin, &person, &["user", "auditor"]).await.expect(200);
    }
    service
        .patch_role(&admin, "auditor", &json!({"permissions": ["audit:read"]}))
        .await
        .expect_problem(409, "state_conflict");
    service.patch_role(&admin, "auditor", &json!({"description": "Reads."})).await.expect(200);
    service.stop().await;
}

async fn who_lost_it_meanwhile_gives_nothing(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (admin, ada) = (service.administrator().await, service.person("adalovelace").await);
    service.make_role(&admin, "giver", &["roles:assign", "audit:read"]).await.expect(201);
    service.make_role(&admin, "auditor", &["audit:read"]).await.expect(201);
    let person = service.person("evelyn").await;
    for round in 0..5 {
        let giver = service.with_roles_of(&admin, &person, &["user", "giver"]).await;
        let (taken, given) =
            tokio::join!(service.give(&admin, &person, &["user"]), service.give(&giver, &ada, &["user", "auditor"]),);
        taken.expect(200);
        assert!([200, 403].contains(&given.status), "{round}: {given:?}");
        // Their token is not a second old, and says otherwise.
        service.give(&giver, &ada, &["user", "auditor"]).await.expect_problem(403, "forbidden");
        service.give(&admin, &ada, &["user"]).await.expect(200);
    }
    let giver = service.with_roles_of(&admin, &person, &["user", "giver"]).await;
    service.call(Method::POST, "/api/v1/auth/revoke").form(&[("token", &giver.refresh_token)]).send().await.expect(200);
    service.give(&giver, &ada, &["user", "auditor"]).await.expect_problem(401, "token_invalid");
    service.stop().await;
}

async fn only_a_session_of_ones_own_hands_out_power(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (admin, ada) = (service.administrator().await, service.person("adalovelace").await);
    let key = ApiKeyId::generate(&service.clock);
    let by_key = User { session: None, api_key: Some(key), scope: "users:read users:write".to_owned(), ..admin.user() };
    let by_client = User { scope: "openid users:write".to_owned(), ..admin.user() };
    let path = format!("/api/v1/users/{}/roles", ada.id);
    let (role, roles) = (json!({"name": "x1", "permissions": []}), json!({"roles": ["admin"]}));
    for user in [by_key, by_client] {
        let call = |method, path: &str| service.call(method, path).user(user.clone());
        call(Method::PUT, &path).json(&roles).send().await.expect_problem(403, "forbidden");
        call(Method::POST, "/api/v1/roles").json(&role).send().await.expect_problem(403, "forbidden");
        call(Method::PATCH, "/api/v1/roles/x1").json(&json!({})).send().await.expect_problem(403, "forbidden");
        call(Method::DELETE, "/api/v1/roles/x1").send().await.expect_problem(403, "forbidden");
        call(Method::GET, "/api/v1/roles").send().await.expect(200);
    }
    service.stop().await;
}

async fn who_may_do_less_does_nothing_to_who_may_do_more(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (admin, ada) = (service.administrator().await, service.person("adalovelace").await);
    service.make_role(&admin, "desk", &["users:read", "users:write", "users:manage"]).await.expect(201);
    service.make_role(&admin, "auditor", &["audit:read"]).await.expect(201);
    let desk = service.with_roles_of(&admin, &service.person("evelyn").await, &["user", "desk"]).await;
    let auditor = service.with_roles_of(&admin, &service.person("charlotte").await, &["user", "auditor"]).await;
    let calls = |id| {
        [
            (Method::PATCH, format!("/api/v1/users/{id}"), Some(json!({"email": format!("{id}@example.net")}))),
            (Method::PATCH, format!("/api/v1/users/{id}"), Some(json!({"name": "Somebody"}))),
            (Method::POST, format!("/api/v1/users/{id}/password-reset"), None),
            (Method::POST, format!("/api/v1/users/{id}/disable"), None),
            (Method::POST, format!("/api/v1/users/{id}/enable"), None),
            (Method::DELETE, format!("/api/v1/users/{id}"), None),
            (Method::POST, format!("/api/v1/users/{id}/restore"), None),
        ]
    };
    for (target, may) in [(&admin, false), (&auditor, false), (&ada, true)] {
        for (method, path, body) in calls(target.id) {
            let call = service.call(method.clone(), &path).by(&desk);
            let call = match &body {
                Some(body) => call.json(body),
                None => call,
            };
            let status = call.send().await.status;
            assert_eq!([200, 202, 204].contains(&status), may, "{method} {path} {status}");
            assert!(may || status == 403, "{method} {path} {status}");
        }
    }
    service.call(Method::PATCH, "/api/v1/users/me").by(&auditor).json(&json!({"name": "C"})).send().await.expect(200);
    service.stop().await;
}

async fn no_custom_role_makes_an_administrator(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (admin, ada) = (service.administrator().await, service.person("adalovelace").await);
    let all: Vec<&str> = Permission::ALL.iter().map(|permission| permission.as_str()).collect();
    service.make_role(&admin, "everything", &all).await.expect(201);
    let ada = service.with_roles_of(&admin, &ada, &["user", "everything"]).await;
    service.give(&ada, &ada, &["user", "everything", "admin"]).await.expect_problem(403, "forbidden");
    service.give(&ada, &admin, &["user"]).await.expect_problem(403, "forbidden");
    service.give(&ada, &ada, &["user", "everything", "treasurer"]).await.expect(200);
    // And whoever holds it all is no administrator: the last one stays.
    service.give(&admin, &admin, &["user", "everything"]).await.expect_problem(409, "last_administrator");
    service.stop().await;
}

async fn of_many_makers_of_one_name_one_makes_it(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let admin = service.administrator().await;
    let all = join_all((0..8).map(|_| service.make_role(&admin, "auditor", &["audit:read"]))).await;
    let made = all.iter().filter(|answer| answer.status == 201).count();
    assert!(made == 1 && all.iter().all(|answer| [201, 409].contains(&answer.status)), "{all:?}");
    service.stop().await;
}
