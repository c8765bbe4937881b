//! Profiles: what they take, in both versions, and that they are a part of the user.

use reqwest::Method;
use serde_json::{Value, json};

use crate::testing::{Answer, Backend, Person, Running, Setup, on_both};

on_both! {
    a_profile_is_what_the_contract_says,
    every_fault_of_a_profile_is_named_at_once,
    eighteen_today_and_eighteen_tomorrow,
    a_profile_changes_with_its_user_and_under_its_tag,
    version_2_patches_all_of_it,
    of_many_profiles_for_one_tag_one_is_written,
}

fn ada() -> Value {
    json!({
        "first_name": "Ada", "last_name": "Lovelace", "birth_date": "1990-12-10", "phone": "+14155550123",
        "address": {"street": "12 St. James's Square", "city": "New York", "state": "NY", "zip_code": "10001"},
    })
}

async fn put(service: &Running, by: &Person, body: &Value) -> Answer {
    service.call(Method::PUT, "/api/v1/users/me/profile").by(by).json(body).send().await
}

async fn get(service: &Running, by: &Person) -> Answer {
    service.call(Method::GET, "/api/v1/users/me/profile").by(by).send().await
}

async fn patch(service: &Running, by: &Person, profile: Value) -> Answer {
    let body = json!({"profile": profile});
    service.call(Method::PATCH, "/api/v2/users/me").by(by).json(&body).send().await
}

/// The pointers of a refusal.
fn refused(answer: Answer) -> Vec<String> {
    let answer = answer.expect_problem(422, "validation_failed").json();
    answer["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
}

async fn a_profile_is_what_the_contract_says(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let person = service.person("adalovelace").await;
    let nothing = json!({"first_name": null, "last_name": null, "birth_date": null, "phone": null, "address": null});
    assert_eq!(get(&service, &person).await.expect(200).json(), nothing);
    let written = put(&service, &person, &ada()).await.expect(200);
    assert_eq!(written.json(), ada());
    let read = get(&service, &person).await.expect(200);
    assert_eq!((&read.bytes, read.header("etag")), (&written.bytes, written.header("etag")));
    let in_v2 = service.call(Method::GET, "/api/v2/users/me/profile").by(&person).send().await.expect(200);
    assert_eq!(in_v2.bytes, read.bytes);
    let mut least = json!({"first_name": "Ó", "last_name": "O'Brien-王"});
    let read = put(&service, &person, &least).await.expect(200).json();
    for member in ["birth_date", "phone", "address"] {
        least[member] = json!(null);
    }
    assert_eq!(read, least, "what is left out is forgotten");
    for none in [json!([]), json!({"first_name": 1, "last_name": "x"}), json!({"first_name": null, "last_name": "x"})] {
        put(&service, &person, &none).await.expect_problem(400, "malformed_body");
    }
    let mut listed = ada();
    listed["address"] = json!(["1 Broadway", "New York", "NY", "10001"]);
    put(&service, &person, &listed).await.expect_problem(400, "malformed_body");
    service.call(Method::GET, "/api/v1/users/me/profile").send().await.expect_problem(401, "token_required");
    service.call(Method::DELETE, "/api/v1/users/me").by(&person).send().await.expect(204);
    put(&service, &person, &ada()).await.expect_problem(404, "not_found");
    get(&service, &person).await.expect_problem(404, "not_found");
    service.stop().await;
}

async fn every_fault_of_a_profile_is_named_at_once(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let person = service.person("adalovelace").await;
    let bad = json!({
        "first_name": "", "last_name": "123", "birth_date": "2026-02-30", "phone": "123",
        "address": {"street": " x", "city": "a\u{202e}b", "state": "ny", "zip_code": "1234"},
    });
    let all = [
        "/first_name",
        "/last_name",
        "/birth_date",
        "/phone",
        "/address/street",
        "/address/city",
        "/address/state",
        "/address/zip_code",
    ];
    assert_eq!(refused(put(&service, &person, &bad).await), all);
    let in_v2: Vec<_> = all.iter().map(|at| format!("/profile{at}")).collect();
    assert_eq!(refused(patch(&service, &person, bad).await), in_v2);
    let missing = json!({"role": "admin", "address": {"street": "x"}});
    let pointers = refused(put(&service, &person, &missing).await);
    for member in ["/role", "/first_name", "/last_name"] {
        assert!(pointers.iter().any(|pointer| pointer == member), "{member} in {pointers:?}");
    }
    let with = |member: &str, value: Value| {
        let mut body = ada();
        *body.pointer_mut(member).unwrap() = value;
        body
    };
    let table = [
        ("/first_name", json!("x".repeat(51))),
        ("/first_name", json!("Ada\u{200b}")),
        ("/first_name", json!("Ada\u{200d}")),
        ("/last_name", json!("١٢٣")),
        ("/last_name", json!("Love\nlace")),
        ("/birth_date", json!("1899-12-31")),
        ("/birth_date", json!("1990-1-1")),
        ("/birth_date", json!("1990-12-10T00:00:00Z")),
        ("/birth_date", json!("-990-12-10")),
        ("/birth_date", json!("+1990-12-10")),
        ("/birth_date", json!("12/10/1990")),
        ("/address/street", json!("x".repeat(101))),
        ("/address/state", json!("N1")),
        ("/address/state", json!("ÄÖ")),
        ("/address/zip_code", json!("١٢٣٤٥")),
        ("/address/zip_code", json!("10001-1234")),
    ];
    for (at, value) in table {
        assert_eq!(refused(put(&service, &person, &with(at, value.clone())).await), [at], "{value}");
    }
    let good = [
        ("/first_name", json!("x".repeat(50))),
        ("/last_name", json!("می\u{200c}خواهم")),
        ("/last_name", json!("3PO")),
    ];
    for (at, value) in good {
        put(&service, &person, &with(at, value)).await.expect(200);
    }
    service.stop().await;
}

async fn eighteen_today_and_eighteen_tomorrow(backend: Backend) {
    // The clock stands at noon of 1 March 2026, UTC.
    let service = Setup::on(backend).start().await;
    let person = service.person("adalovelace").await;
    let born = async |day: &str| {
        let body = json!({"first_name": "Ada", "last_name": "King", "birth_date": day});
        put(&service, &person, &body).await
    };
    born("2008-03-01").await.expect(200);
    born("2008-02-29").await.expect(200);
    assert_eq!(born("2008-03-02").await.expect(422).text("/errors/0/code"), "age");
    born("2030-01-01").await.expect(422);
    service.clock.advance(std::time::Duration::from_secs(12 * 3_600));
    born("2008-03-02").await.expect(200);
    born("2008-03-03").await.expect(422);
    service.stop().await;
}

async fn a_profile_changes_with_its_user_and_under_its_tag(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let person = service.person("adalovelace").await;
    let first = put(&service, &person, &ada()).await.expect(200).header("etag");
    let user = || service.call(Method::GET, "/api/v2/users/me").by(&person).send();
    let tag = user().await.header("etag");
    assert_eq!(user().await.json()["profile"], ada());
    assert_eq!(put(&service, &person, &ada()).await.expect(200).header("etag"), first, "nothing has changed");
    let name = json!({"name": "Ada", "phone": "+14155550199"});
    service.call(Method::PATCH, "/api/v1/users/me").by(&person).json(&name).send().await.expect(200);
    let read = get(&service, &person).await.expect(200);
    assert_eq!(read.text("/phone"), "+14155550199", "one column in both versions");
    assert_ne!(user().await.header("etag"), tag);
    let with = |condition: &str, value: &str| {
        let call = service.call(Method::PUT, "/api/v1/users/me/profile").by(&person).header(condition, value);
        call.json(&ada()).send()
    };
    with("if-match", &first).await.expect_problem(412, "stale_precondition");
    with("if-match", &tag).await.expect_problem(412, "stale_precondition");
    let current = read.header("etag");
    let get_if =
        |name: &str| service.call(Method::GET, "/api/v1/users/me/profile").by(&person).header(name, &current).send();
    get_if("if-none-match").await.expect(304);
    get_if("if-match").await.expect(200);
    with("if-match", &current).await.expect(200);
    get_if("if-match").await.expect_problem(412, "stale_precondition");
    service.stop().await;
}

async fn version_2_patches_all_of_it(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let person = service.person("adalovelace").await;
    let profile = async |change: Value| patch(&service, &person, change).await.expect(200).json()["profile"].clone();
    let missing = refused(patch(&service, &person, json!({"address": {"city": "Boston", "state": "MA"}})).await);
    assert_eq!(missing, ["/profile/address/street", "/profile/address/zip_code"], "there is no address yet");
    assert_eq!(profile(ada()).await, ada());
    assert_eq!(profile(json!({})).await, ada());
    let mut moved = ada();
    moved["address"]["city"] = json!("Albany");
    assert_eq!(profile(json!({"address": {"city": "Albany"}})).await, moved);
    assert_eq!(refused(patch(&service, &person, json!({"address": {"city": null}})).await), ["/profile/address/city"]);
    for member in ["first_name", "last_name", "birth_date", "phone", "address"] {
        moved[member] = json!(null);
        assert_eq!(profile(json!({member: null})).await, moved, "{member}");
    }
    profile(ada()).await;
    assert_eq!(profile(json!(null)).await, moved, "all of it");
    for odd in [json!(["Ada"]), json!("Ada"), json!({"address": ["1", "2", "NY", "10001"]})] {
        patch(&service, &person, odd).await.expect_problem(400, "malformed_body");
    }
    refused(patch(&service, &person, json!({"email_verified": true})).await);
    refused(patch(&service, &person, json!({"address": {"country": "US"}})).await);
    let other = service.person("bobby").await;
    let admin = service.administrator().await;
    let path = format!("/api/v2/users/{}", other.id);
    let call = || service.call(Method::PATCH, &path).json(&json!({"profile": {"first_name": "Bob"}}));
    call().by(&person).send().await.expect_problem(404, "not_found");
    assert_eq!(call().by(&admin).send().await.expect(200).text("/profile/first_name"), "Bob");
    service.stop().await;
}

async fn of_many_profiles_for_one_tag_one_is_written(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let person = service.person("adalovelace").await;
    let tag = get(&service, &person).await.header("etag");
    let put = |i: usize| {
        let body = json!({"first_name": "Ada", "last_name": format!("King {i}")});
        let call = service.call(Method::PUT, "/api/v1/users/me/profile").by(&person).header("if-match", &tag);
        call.json(&body).send()
    };
    let answers = futures_util::future::join_all((0..12).map(put)).await;
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 412).count(), 11, "{statuses:?}");
    service.stop().await;
}
