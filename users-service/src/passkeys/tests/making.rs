//! Making passkeys.

use std::time::Duration;

use ciborium::Value as Cbor;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Spoil, bad_manners, synced};
use crate::testing::{Backend, Device, PASSWORD, Person, Running, Setup, base64url, on_both};

on_both! {
    a_passkey_is_made_named_and_taken_away,
    what_was_not_made_as_asked_is_refused,
    hostile_cbor_is_refused_and_harms_nobody,
    only_keys_that_were_asked_for_are_kept,
    options_are_of_one_session_and_end,
    of_many_passkeys_there_are_as_many_as_one_may_have,
    one_passkey_is_one_users,
}

const PASSKEYS: &str = "/api/v1/users/me/passkeys";

async fn list(service: &Running, person: &Person) -> Value {
    service.call(Method::GET, PASSKEYS).by(person).send().await.expect(200).json()["data"].clone()
}

async fn a_passkey_is_made_named_and_taken_away(backend: Backend) {
    let service = Setup::on(backend).set("mfa.issuer", "The Bank").start().await;
    let ada = service.person("adalovelace").await;
    assert_eq!(list(&service, &ada).await, json!([]));
    let options = service.creation_options(&ada).await;
    let id = base64url(ada.id.as_uuid().as_bytes());
    assert_eq!(options["rp"], json!({"id": "localhost", "name": "The Bank"}));
    assert_eq!(options["user"], json!({"id": id, "name": ada.email, "displayName": "adalovelace"}));
    assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
    assert_eq!((&options["attestation"], &options["timeout"]), (&json!("none"), &json!(300_000)));
    let offered = options["pubKeyCredParams"].as_array().unwrap().iter().map(|kind| kind["alg"].as_i64().unwrap());
    assert_eq!(offered.collect::<Vec<_>>(), [-8, -7, -257]);
    assert_eq!((&options["excludeCredentials"], list(&service, &ada).await), (&json!([]), json!([])));

    let mut device = synced();
    let credential = device.create(&options);
    let kept = service.keep(&ada, &credential).await.expect(201);
    let path = format!("{PASSKEYS}/{}", kept.text("/id"));
    assert_eq!((kept.header("location"), kept.header("cache-control")), (path.clone(), "no-store".into()));
    let shown = json!({
        "id": kept.text("/id"), "name": "my phone", "synced": true, "created_at": "2026-03-01T12:00:00.000000Z",
        "last_used_at": null,
    });
    assert_eq!(kept.json(), shown);
    assert_eq!(list(&service, &ada).await, json!([shown]));
    let mail = service.mail(&ada.email, "How you sign in at").await;
    assert!(mail.text.contains("passkey was added") && !mail.text.contains("my phone"), "{mail:?}");
    let factors = service.call(Method::GET, "/api/v1/users/me/mfa").by(&ada).send().await.expect(200).json();
    assert_eq!(factors["factors"][0]["kind"], "passkey");
    let excluded = &service.creation_options(&ada).await["excludeCredentials"];
    let there = json!([{"type": "public-key", "id": base64url(&device.id), "transports": ["hybrid", "internal"]}]);
    assert_eq!(*excluded, there);
    service.keep(&ada, &credential).await.expect_problem(409, "state_conflict");

    let get = service.call(Method::GET, &path).by(&ada).send().await.expect(200);
    assert_eq!((get.json(), get.header("etag")), (shown, kept.header("etag")));
    service.call(Method::GET, &path).by(&ada).header("if-none-match", get.header("etag")).send().await.expect(304);
    let patch = async |body: Value, tag: &str| {
        service.call(Method::PATCH, &path).by(&ada).header("if-match", tag).json(&body).send().await
    };
    for name in ["", "   ", "a\u{202e}b", &"x".repeat(51)] {
        let refused = patch(json!({"name": name}), "*").await.expect_problem(422, "validation_failed");
        assert_eq!(refused.text("/errors/0/pointer"), "/name");
    }
    patch(json!({"name": null}), "*").await.expect_problem(422, "validation_failed");
    let named = patch(json!({"name": " my old phone "}), &get.header("etag")).await.expect(200);
    assert_eq!(named.text("/name"), "my old phone");
    patch(json!({"name": "x"}), &get.header("etag")).await.expect_problem(412, "stale_precondition");

    let before = service.mails(&ada.email, "How you sign in at");
    service.call(Method::DELETE, &path).by(&ada).header("if-match", "\"0\"").send().await.expect(412);
    service.call(Method::DELETE, &path).by(&ada).send().await.expect(204);
    assert!(service.another_mail(&ada.email, "How you sign in at", &before).await.text.contains("was removed"));
    service.call(Method::DELETE, &path).by(&ada).send().await.expect_problem(404, "not_found");
    service.passkey_grant(&mut device).await.expect_problem(400, "invalid_grant");
    service.sign_in(&ada.email).await;
    service.stop().await;
}

async fn refused(service: &Running, ada: &Person, credential: &Value, why: &str) {
    let answer = service.keep(ada, credential).await;
    assert_eq!(answer.status, 422, "{why}: {}", String::from_utf8_lossy(&answer.bytes));
    assert_eq!(answer.text("/errors/0/pointer"), "/credential", "{why}");
}

async fn what_was_not_made_as_asked_is_refused(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let used: Spoil = |device| device.manner.kind = Some("webauthn.get");
    let neither: Spoil = |device| device.manner.kind = Some("webauthn.other");
    for (why, spoil) in bad_manners().into_iter().chain([("to sign in", used), ("neither", neither)]) {
        let mut device = Device::new();
        spoil(&mut device);
        let credential = device.create(&service.creation_options(&ada).await);
        refused(&service, &ada, &credential, why).await;
    }
    let fresh = async || Device::new().create(&service.creation_options(&ada).await);
    let spoilt = async |pointer: &str, value: Value| {
        let mut credential = fresh().await;
        *credential.pointer_mut(pointer).unwrap() = value;
        credential
    };
    for (pointer, value) in [
        ("/rawId", json!(base64url(&[7; 16]))),
        ("/rawId", json!("=")),
        ("/rawId", json!(5)),
        ("/type", json!("password")),
        ("/response", json!(null)),
        ("/response/clientDataJSON", json!("e30")),
        ("/response/clientDataJSON", json!("ÿ")),
        ("/response/attestationObject", json!("")),
        ("/response/attestationObject", json!(base64url(b"\xff"))),
        ("/response/attestationObject", json!("A".repeat(17_000))),
    ] {
        refused(&service, &ada, &spoilt(pointer, value.clone()).await, &format!("{pointer} {value}")).await;
    }
    for text in ["", "5", "null", "{}", "[]", "nonsense", "{", &"[".repeat(60_000)] {
        let body = json!({"name": "my phone", "credential": text});
        service.post_by(&ada, PASSKEYS, Some(&body)).await.expect_problem(422, "validation_failed");
    }
    let sign_in = service.request_options().await["challenge"].clone();
    let credential = Device::new().made(sign_in.as_str().unwrap(), Vec::new());
    refused(&service, &ada, &credential, "another challenge, no data").await;
    assert_eq!(list(&service, &ada).await, json!([]));
    // A statement about its make was not asked for, and is not read.
    let mut device = Device::new();
    let mut credential = device.create(&service.creation_options(&ada).await);
    let object = &mut credential["response"]["attestationObject"];
    let bytes = passki::Passki::base64_decode(object.as_str().unwrap()).unwrap();
    let mut map: Cbor = ciborium::from_reader(&bytes[..]).unwrap();
    map.as_map_mut().unwrap()[0].1 = Cbor::Text("tpm".to_owned());
    let mut bytes = Vec::new();
    ciborium::into_writer(&map, &mut bytes).unwrap();
    *object = json!(base64url(&bytes));
    service.keep(&ada, &credential).await.expect(201);
    service.stop().await;
}

async fn hostile_cbor_is_refused_and_harms_nobody(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let device = Device::new();
    let mut key = Vec::new();
    ciborium::into_writer(&device.cose(), &mut key).unwrap();
    let deep = |levels: usize| [vec![0x81; levels], vec![0]].concat();
    let parts = [
        Vec::new(),
        vec![0xa0],
        vec![0xff],
        key[..key.len() - 1].to_vec(),
        [&key[..], &[0]].concat(),
        [&key[..], &deep(200)].concat(),
        deep(20),
        deep(5_000),
        vec![0xc1; 5_000],
        // As many members, or bytes, as there are numbers.
        vec![0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0x9f; 300],
    ];
    for part in parts {
        let options = service.creation_options(&ada).await;
        let challenge = options["challenge"].as_str().unwrap();
        let why = hex::encode(&part[..part.len().min(16)]);
        let credential = device.made(challenge, device.data_with("localhost", &part));
        refused(&service, &ada, &credential, &why).await;
        let mut credential = device.made(challenge, device.data_with("localhost", &key));
        credential["response"]["attestationObject"] = json!(base64url(&part));
        refused(&service, &ada, &credential, &why).await;
    }
    // Right in all but how deep it is, or in what follows it: nothing else refuses these.
    let nested = |levels: usize| (0..levels).fold(Cbor::Integer(0.into()), |inner, _| Cbor::Array(vec![inner]));
    let bytes_of = |value: &Cbor| {
        let mut bytes = Vec::new();
        ciborium::into_writer(value, &mut bytes).unwrap();
        bytes
    };
    let with_key = |levels: usize| {
        let mut whole = device.cose();
        whole.as_map_mut().unwrap().push((Cbor::Text("x".to_owned()), nested(levels)));
        device.data_with("localhost", &bytes_of(&whole))
    };
    let with_extension = |levels: usize, rest: &[u8]| {
        let extension = Cbor::Map(vec![(Cbor::Text("x".to_owned()), nested(levels))]);
        let mut data = device.data_with("localhost", &[&key[..], &bytes_of(&extension), rest].concat());
        data[32] |= 0x80;
        data
    };
    for (data, why) in [
        (with_key(9), "a deep key"),
        (with_extension(9, &[]), "a deep extension"),
        (with_extension(1, &[0]), "more behind the extensions"),
    ] {
        let options = service.creation_options(&ada).await;
        refused(&service, &ada, &device.made(options["challenge"].as_str().unwrap(), data), why).await;
    }
    let options = service.creation_options(&ada).await;
    let challenge = options["challenge"].as_str().unwrap();
    for length in [0, 36, 37, 54, 60] {
        let data = device.data_with("localhost", &key)[..length].to_vec();
        refused(&service, &ada, &device.made(challenge, data), &format!("{length} bytes")).await;
    }
    let long = Device { id: vec![7; 1024], ..Device::new() };
    refused(&service, &ada, &long.made(challenge, long.data_with("localhost", &key)), "a long id").await;
    service.keep(&ada, &device.made(challenge, device.data_with("localhost", &key))).await.expect(201);
    service.stop().await;
}

async fn only_keys_that_were_asked_for_are_kept(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    for algorithm in [-35, -257, -8, -65_535, 0, i64::MAX, i64::MIN] {
        let mut device = Device { algorithm: Some(algorithm), ..Device::new() };
        let credential = device.create(&service.creation_options(&ada).await);
        refused(&service, &ada, &credential, &algorithm.to_string()).await;
    }
    let spoilt = |label: i64, value: Cbor| {
        let mut key = Device::new().cose();
        let member = key.as_map_mut().unwrap().iter_mut().find(|(name, _)| *name == Cbor::Integer(label.into()));
        member.unwrap().1 = value;
        key
    };
    let number = |number: i64| Cbor::Integer(number.into());
    let keys = [
        spoilt(1, number(1)),
        spoilt(-1, number(2)),
        spoilt(-2, Cbor::Bytes(vec![0; 32])),
        spoilt(-2, Cbor::Bytes(vec![1; 31])),
        spoilt(-3, Cbor::Bytes(Vec::new())),
        spoilt(-3, Cbor::Text("y".to_owned())),
        spoilt(3, Cbor::Null),
        Cbor::Array(Vec::new()),
    ];
    for key in keys {
        let device = Device::new();
        let mut bytes = Vec::new();
        ciborium::into_writer(&key, &mut bytes).unwrap();
        let options = service.creation_options(&ada).await;
        let data = device.data_with("localhost", &bytes);
        let credential = device.made(options["challenge"].as_str().unwrap(), data);
        refused(&service, &ada, &credential, &format!("{key:?}")).await;
    }
    assert_eq!(list(&service, &ada).await, json!([]));
    service.stop().await;
}

async fn options_are_of_one_session_and_end(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, bob) = (service.person("adalovelace").await, service.person("bobby").await);
    let there = service.sign_in(&ada.email).await;
    let mut device = Device::new();
    let credential = device.create(&service.creation_options(&ada).await);
    refused(&service, &bob, &credential, "another's").await;
    refused(&service, &there, &credential, "another session's").await;
    service.post_by(&ada, "/api/v1/auth/step-up", Some(&json!({"password": PASSWORD}))).await.expect(204);
    service.clock.advance(Duration::from_secs(300));
    refused(&service, &ada, &credential, "over").await;

    // Without a proof of a moment ago nobody makes one, and nobody takes one away.
    let credential = device.create(&service.creation_options(&ada).await);
    service.clock.advance(Duration::from_secs(1));
    service.post_by(&ada, &format!("{PASSKEYS}/options"), None).await.expect_problem(401, "step_up_required");
    service.keep(&ada, &credential).await.expect_problem(401, "step_up_required");
    service.post_by(&ada, "/api/v1/auth/step-up", Some(&json!({"password": PASSWORD}))).await.expect(204);
    let id = service.keep(&ada, &credential).await.expect(201).text("/id");
    service.clock.advance(Duration::from_secs(301));
    let path = format!("{PASSKEYS}/{id}");
    service.call(Method::DELETE, &path).by(&ada).send().await.expect_problem(401, "step_up_required");
    let token = ada.refresh_token.as_str();
    service.call(Method::POST, "/api/v1/auth/revoke").form(&[("token", token)]).send().await.expect(200);
    let rename = service.call(Method::PATCH, &path).by(&ada).json(&json!({"name": "mine now"}));
    rename.send().await.expect_problem(401, "token_invalid");
    service.stop().await;
}

async fn of_many_passkeys_there_are_as_many_as_one_may_have(backend: Backend) {
    let service = Setup::on(backend).set("passkeys.per_user", "2").start().await;
    let ada = service.person("adalovelace").await;
    let mut made = Vec::new();
    for _ in 0..8 {
        made.push(Device::new().create(&service.creation_options(&ada).await));
    }
    let answers = join_all(made.iter().map(|credential| service.keep(&ada, credential))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 2);
    assert_eq!(answers.iter().filter(|answer| answer.status == 409).count(), 6);
    service.post_by(&ada, &format!("{PASSKEYS}/options"), None).await.expect_problem(409, "state_conflict");
    assert_eq!(list(&service, &ada).await.as_array().unwrap().len(), 2);

    // Of two that were made with the same options, one is kept; the same under a key is told again.
    let bob = service.person("bobby").await;
    let options = service.creation_options(&bob).await;
    let (one, other) = (Device::new().create(&options), Device::new().create(&options));
    let body = json!({"name": "my phone", "credential": one.to_string()});
    let keep = || service.call(Method::POST, PASSKEYS).by(&bob).key("once").json(&body).send();
    let (first, again) = (keep().await.expect(201), keep().await.expect(201));
    assert_eq!((first.bytes, again.header("idempotent-replayed")), (again.bytes.clone(), "true".to_owned()));
    service.keep(&bob, &other).await.expect_problem(409, "state_conflict");
    assert_eq!(list(&service, &bob).await.as_array().unwrap().len(), 1);
    service.stop().await;
}

async fn one_passkey_is_one_users(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, bob) = (service.person("adalovelace").await, service.person("bobby").await);
    let mut device = Device::new();
    let id = service.add_passkey(&ada, &mut device).await;
    // Whoever knows what it is called cannot have it called theirs.
    let mut thief = Device { id: device.id.clone(), ..Device::new() };
    let credential = thief.create(&service.creation_options(&bob).await);
    service.keep(&bob, &credential).await.expect_problem(409, "state_conflict");
    let path = format!("{PASSKEYS}/{id}");
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        let call = service.call(method.clone(), &path).by(&bob);
        let call = if method == Method::PATCH { call.json(&json!({"name": "x"})) } else { call };
        call.send().await.expect_problem(404, "not_found");
    }
    // At once, too.
    let (ida, bert) = (service.person("idarhodes").await, service.person("bertie").await);
    let (mut first, key) = (Device::new(), Device::new().id);
    let mut second = Device { id: key.clone(), ..Device::new() };
    first.id = key;
    let mine = first.create(&service.creation_options(&ida).await);
    let theirs = second.create(&service.creation_options(&bert).await);
    let (mine, theirs) = futures_util::join!(service.keep(&ida, &mine), service.keep(&bert, &theirs));
    let mut statuses = [mine.status, theirs.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    service.passkey_grant(&mut device).await.expect(200);
    service.stop().await;
}
