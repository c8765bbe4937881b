//! Whoever is brought over signs in as they did, once with the old hash and then with ours; what is no good line is named.

use std::io::Cursor;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::*;
use crate::testing::{Backend, PASSWORD, Running, Setup, on_both, password_hash};

on_both! {
    each_foreign_hash_signs_in_once_and_is_ours_then,
    sign_ins_at_once_with_one_imported_hash_all_succeed,
    what_bcrypt_would_cut_off_is_refused,
    a_costly_hash_is_refused_at_import,
    hostile_lines_are_named_and_the_others_imported,
    the_same_file_again_changes_nothing,
    somebody_elses_name_or_address_is_refused,
    failing_sign_ins_take_as_long_as_the_slowest_imported_hash,
    the_costliest_of_each_function_is_found,
}

/// Hashes of [`PASSWORD`] by independent implementations. By Python: bcrypt 5.0 (`$2a$` with its prefix in the salt, `$2y$`
/// renamed from `$2b$`), argon2-cffi 25.1, hashlib's scrypt and `pbkdf2_hmac` of Python 3.11 under the salt 0..15, and
/// passlib 1.7.4 in the forms of its own.
const VECTORS: [(&str, &str); 15] = [
    ("bcrypt2a", "$2a$04$.N0xe0aeVop6kMIlfjrdcexULjN.ZtuTWCfk0Hf2R0nSGjCGj9laC"),
    ("bcrypt2b", "$2b$04$9W1wWX8bKhTWZPJclWRsOOY03IgPDMM.3AEd1zOOAdCBby.tjdkg2"),
    ("bcrypt2y", "$2y$04$BNp/ItlDcuv4bXH9xvK3.O0GvuWQJMh2SSVX1DUGd7PB1WSwO3h/e"),
    ("argon2id", "$argon2id$v=19$m=256,t=2,p=2$AAECAwQFBgcICQoLDA0ODw$Xjw/wPq3ctWxXA7S+Wm6ygKDUir5IvA0/owjexv+ex0"),
    ("argon2i", "$argon2i$v=19$m=256,t=2,p=2$AAECAwQFBgcICQoLDA0ODw$2ZfDUHq/pVkbOXBUoLOXVL49JcOt0aTYJ3pfU0Uno3o"),
    ("argon2d", "$argon2d$v=19$m=256,t=2,p=2$AAECAwQFBgcICQoLDA0ODw$R8f6QGlMOo4/bmE7PChswhWv++n93SXPbT+cWlagnMI"),
    ("argon2.1.0", "$argon2i$v=16$m=128,t=3,p=1$AAECAwQFBgcICQoLDA0ODw$+tmJlBwv1iyaYLpfhk9B5WF2fHek9BoK"),
    ("argon2.old", "$argon2i$m=128,t=3,p=1$AAECAwQFBgcICQoLDA0ODw$+tmJlBwv1iyaYLpfhk9B5WF2fHek9BoK"),
    ("scrypt", "$scrypt$ln=4,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$d36rcEWAX6/vfT8OLcN4Pqbh/8SCTnZjzRwi3lm4LM4"),
    ("scrypt.passlib", "$scrypt$ln=5,r=8,p=1$J4TQ2rs3plQq5dybE6I05g$pRSm9YPLEoB/7xyj9R+fcpYTYbJ92r/f/p+V5p22zi4"),
    ("pbkdf2-sha1", "$pbkdf2-sha1$i=1000,l=20$AAECAwQFBgcICQoLDA0ODw$ukVECoadxaoSJz6R4qwgKV5JeIA"),
    ("pbkdf2-sha256", "$pbkdf2-sha256$i=1000,l=32$AAECAwQFBgcICQoLDA0ODw$vn1ssE/zw+cG1Opgl0QVgGLSqIL4gvws7/Mm7Vh0xIE"),
    (
        "pbkdf2-sha512",
        "$pbkdf2-sha512$i=1000,l=64$AAECAwQFBgcICQoLDA0ODw$L6h1IssZCaDBRA9/HTvG835kPbdit0LZ9NUFwVot/NyFunGVlr2uuHpw1b7ezkenYjl4fYZeu9PCqfjefva4yg",
    ),
    ("sha1.passlib", "$pbkdf2$1000$DIEQojQGYGxNSYmxNuZc6w$w.1rZacA2jMo3XJLu5wvZiyQSZA"),
    (
        "sha512.passlib",
        "$pbkdf2-sha512$1000$zBkjJGSM8b73XmttDYEQYg$Ajf1jymh9xWB4dKNb2MCScQK5wQHZ190K1WQ5r86N3K5Eh43w1Tb1E/Obj6cYm0HPRmVM.egbjnSBLLJqYw1Rg",
    ),
];

/// How ours begin under the tests' settings.
const OURS: &str = "$argon2id$v=19$m=64,t=1,p=1$";

fn line(name: &str, hash: &str) -> Value {
    json!({"email": format!("{name}@example.org"), "username": name, "password_hash": hash})
}

fn text(lines: impl IntoIterator<Item = Value>) -> Vec<u8> {
    lines.into_iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes()
}

/// What came of a file, and each fault as `line pointer rule`.
async fn bring(service: &Running, file: Vec<u8>, dry: Dry) -> (Summary, Vec<String>) {
    let mut refused = Vec::new();
    let mut tell = |refusal: &Refusal| {
        refused.extend(refusal.faults.iter().map(|fault| format!("{} {} {}", refusal.line, fault.pointer, fault.code)));
    };
    let done = import(&service.config, &service.clock, &mut Cursor::new(file), dry, &mut tell).await.unwrap();
    (done, refused)
}

async fn each_foreign_hash_signs_in_once_and_is_ours_then(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (done, refused) = bring(&service, text(VECTORS.map(|(name, hash)| line(name, hash))), Dry::No).await;
    assert_eq!((done.imported, done.present, refused), (15, 0, vec![]));
    for (name, hash) in VECTORS {
        service.password_grant(name, "correct horse battery 9 stapler").await.expect_problem(400, "invalid_grant");
        let kept = password_hash(&service.ground, name).await;
        assert!(!kept.starts_with(OURS) && kept.get(..7) == hash.get(..7), "{name}: only a success renews");
        let person = service.sign_in(&format!("{name}@example.org")).await;
        let renewed = password_hash(&service.ground, name).await;
        assert!(renewed.starts_with(OURS), "{name}: {renewed}");
        drop(service.sign_in(name).await);
        assert_eq!(password_hash(&service.ground, name).await, renewed, "once");
        let me = service.call(Method::GET, "/api/v2/users/me").by(&person).send().await.expect(200).json();
        assert_eq!((&me["roles"], &me["email_verified"]), (&json!(["user"]), &json!(false)));
    }
    service.until_count("SELECT count(*) FROM users WHERE foreign_cost IS NOT NULL", 0).await;
    service.stop().await;
}

async fn sign_ins_at_once_with_one_imported_hash_all_succeed(backend: Backend) {
    let service = Setup::on(backend).start().await;
    bring(&service, text(VECTORS.map(|(name, hash)| line(name, hash))), Dry::No).await;
    let (name, _) = VECTORS[1];
    let tries = (0..8).map(|_| service.password_grant(name, PASSWORD));
    for answer in join_all(tries).await {
        drop(answer.expect(200));
    }
    assert!(password_hash(&service.ground, name).await.starts_with(OURS));
    // Whoever changes their password before they have ever signed in again is through with the old one, too.
    let (name, _) = VECTORS[2];
    let person = service.sign_in(name).await;
    let change = json!({"current_password": PASSWORD, "new_password": "another horse battery 8 staple"});
    service.call(Method::PUT, "/api/v1/users/me/password").by(&person).json(&change).send().await.expect(204);
    service.password_grant(name, PASSWORD).await.expect_problem(400, "invalid_grant");
    service.stop().await;
}

/// Of `x` 71 times and a 9, by Python's bcrypt 5.0: it fills what bcrypt reads.
const FULL: &str = "$2b$04$f/Uuw343xRDxRLaVqA2/w.1koLeEd3uwG4WihRuTxX96kwj1rs1HC";

async fn what_bcrypt_would_cut_off_is_refused(backend: Backend) {
    let service = Setup::on(backend).start().await;
    bring(&service, text([line("full", FULL)]), Dry::No).await;
    let full = format!("{}9", "x".repeat(71));
    for longer in [format!("{full}9"), format!("{full}{}", "y".repeat(56))] {
        service.password_grant("full", &longer).await.expect_problem(400, "invalid_grant");
    }
    drop(service.password_grant("full", &full).await.expect(200));
    service.stop().await;
}

async fn a_costly_hash_is_refused_at_import(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (salt, tag) = ("AAECAwQFBgcICQoLDA0ODw", "Xjw/wPq3ctWxXA7S+Wm6ygKDUir5IvA0/owjexv+ex0");
    let phc = |head: &str| format!("{head}${salt}${tag}");
    let bcrypt = |cost: &str| VECTORS[1].1.replacen("04", cost, 1);
    let most = ["$argon2id$v=19$m=65536,t=10,p=4", "$scrypt$ln=17,r=8,p=4", "$pbkdf2-sha256$i=2000000"];
    let most: Vec<_> = most.into_iter().map(phc).chain([bcrypt("14")]).collect();
    let good = most.iter().enumerate().map(|(at, hash)| line(&format!("good{at}"), hash));
    let over = [
        "$argon2id$v=19$m=65537,t=1,p=1",
        "$argon2i$v=19$m=64,t=11,p=1",
        "$argon2d$v=19$m=4294967295,t=4294967295,p=1",
        "$scrypt$ln=18,r=8,p=1",
        "$scrypt$ln=17,r=9,p=1",
        "$scrypt$ln=10,r=8,p=5",
        "$pbkdf2-sha256$i=2000001",
        // Its 32 bytes are two blocks of SHA-1.
        "$pbkdf2-sha1$i=1000001",
    ];
    let over = over.into_iter().map(phc).chain([bcrypt("15"), bcrypt("31")]);
    let over: Vec<_> = over.enumerate().map(|(at, hash)| line(&format!("over{at}"), &hash)).collect();
    let (done, refused) = bring(&service, text(good.chain(over)), Dry::No).await;
    assert_eq!((done.imported, done.refused, done.memory_kib), (4, 10, 128 * 1024 + 4));
    assert_eq!(refused, (5..15).map(|line| format!("{line} /password_hash cost")).collect::<Vec<_>>());
    let none = [
        "",
        "correct horse battery 9 staple",
        "$1$abcdefgh$Y0TTwnLN3JVZBDdPtZ1fn1",
        "$2x$04$9W1wWX8bKhTWZPJclWRsOOY03IgPDMM.3AEd1zOOAdCBby.tjdkg2",
        "$2b$+4$9W1wWX8bKhTWZPJclWRsOOY03IgPDMM.3AEd1zOOAdCBby.tjdkg2",
        "$2b$04$tooshort",
        "$argon2id$v=20$m=64,t=1,p=1$AAECAwQFBgcICQoLDA0ODw$Xjw/wPq3ctWxXA7S+Wm6ygKDUir5IvA0/owjexv+ex0",
        "$argon2id$v=19$m=64,t=1,p=1,keyid=YQ$AAECAwQFBgcICQoLDA0ODw$Xjw/wPq3ctWxXA7S+Wm6ygKDUir5IvA0/owjexv+ex0",
        "$argon2id$v=19$m=64,t=1,p=1$AAECAwQFBgcICQoLDA0ODw",
        "$scrypt$ln=4,r=4294967295,p=4294967295$AAECAwQFBgcICQoLDA0ODw$Xjw/wPq3ctWxXA7S+Wm6ygKDUir5IvA0/owjexv+ex0",
        "$scrypt$ln=64,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$Xjw/wPq3ctWxXA7S+Wm6ygKDUir5IvA0/owjexv+ex0",
        "$pbkdf2-sha256$i=0$AAECAwQFBgcICQoLDA0ODw$Xjw/wPq3ctWxXA7S+Wm6ygKDUir5IvA0/owjexv+ex0",
        "$pbkdf2-md5$i=1000$AAECAwQFBgcICQoLDA0ODw$Xjw/wPq3ctWxXA7S+Wm6ygKDUir5IvA0/owjexv+ex0",
        "$pbkdf2-sha256$i=1000,l=31$AAECAwQFBgcICQoLDA0ODw$Xjw/wPq3ctWxXA7S+Wm6ygKDUir5IvA0/owjexv+ex0",
    ];
    let none: Vec<_> = none.iter().enumerate().map(|(at, hash)| line(&format!("none{at}"), hash)).collect();
    let (_, refused) = bring(&service, text(none), Dry::Run).await;
    assert_eq!(refused, (1..15).map(|line| format!("{line} /password_hash format")).collect::<Vec<_>>());
    service.stop().await;
}

async fn hostile_lines_are_named_and_the_others_imported(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let hash = VECTORS[0].1;
    let with = |name: &str, member: &str, value: Value| {
        let mut line = line(name, hash);
        line[member] = value;
        format!("{line}\n").into_bytes()
    };
    let mut file: Vec<u8> = Vec::new();
    let lines: [Vec<u8>; 17] = [
        text([line("first", hash)]),
        [b"{\"email\": \"", "x".repeat(10_000_000).as_bytes(), b"\"}\n"].concat(),
        b"{\"email\": \"\xff\xfe\"}\n".to_vec(),
        b"   \r\n".to_vec(),
        with("twice", "email", json!("FIRST@example.org")),
        with("First", "name", json!("Another")),
        with("nul\0name", "name", json!(null)),
        with("fifth", "name", json!("nul\0in it")),
        with("sixth", "roles", json!(["admin"])),
        b"[\"seventh@example.org\", \"seventh\", \"x\"]\n".to_vec(),
        b"{\"email\": 5}\n".to_vec(),
        b"{}\n".to_vec(),
        with("eighth", "created_at", json!("2099-01-01T00:00:00Z")),
        with("ninth", "created_at", json!("yesterday")),
        b"{\"email\": \"a@example.org\", \"email\": \"b@example.org\"}\n".to_vec(),
        [b"{\"x\": ".as_slice(), "[".repeat(9_000).as_bytes(), b"\n"].concat(),
        format!("{}{}", "{\"email\": \"", "last").into_bytes(),
    ];
    file.extend(lines.concat());
    let (done, refused) = bring(&service, file, Dry::No).await;
    assert_eq!((done.imported, done.present, done.refused), (1, 0, 15));
    let expected = [
        "2  length",
        "3  json",
        "5 /email repeated",
        "6 /email repeated",
        "6 /username repeated",
        "7 /email format",
        "7 /username format",
        "8 /name format",
        "9 /roles unknown_field",
        "10  json",
        "11 /email type",
        "12 /email required",
        "13 /created_at range",
        "14 /created_at invalid",
        "15 /email repeated",
        "16  json",
        "17  json",
    ];
    assert_eq!(refused, expected);
    let verified = json!({"created_at": "2019-05-04T03:02:01+02:00", "email_verified": true, "name": "Grace Hopper"});
    let mut good = line("grace", hash);
    good.as_object_mut().unwrap().extend(verified.as_object().unwrap().clone());
    // The last line needs no end.
    let (done, _) = bring(&service, good.to_string().into_bytes(), Dry::No).await;
    assert_eq!(done.imported, 1);
    let grace = service.sign_in("GRACE@example.org").await;
    let me = service.call(Method::GET, "/api/v2/users/me").by(&grace).send().await.expect(200).json();
    let shown = (&me["created_at"], &me["email_verified"], &me["name"]);
    assert_eq!(shown, (&json!("2019-05-04T01:02:01.000000Z"), &json!(true), &json!("Grace Hopper")));
    service.stop().await;
}

async fn the_same_file_again_changes_nothing(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let file = text((0..230).map(|at| line(&format!("user{at}"), VECTORS[0].1)));
    let counted = "SELECT count(*) FROM users";
    let (dry, _) = bring(&service, file.clone(), Dry::Run).await;
    assert_eq!((dry.imported, dry.present), (230, 0));
    service.until_count(counted, 1).await;
    // Stopped half-way, by whatever.
    let half: Vec<u8> = file[..file.len() / 2].to_vec();
    let (first, refused) = bring(&service, half, Dry::No).await;
    assert_eq!(refused.len(), 1, "a line that broke off");
    let (rest, _) = bring(&service, file.clone(), Dry::No).await;
    assert_eq!((rest.present, rest.imported), (first.imported, 230 - first.imported));
    let ada = service.sign_in("user7").await;
    let renewed = password_hash(&service.ground, "user7").await;
    service.call(Method::DELETE, "/api/v1/users/me").by(&service.sign_in("user8").await).send().await.expect(204);
    for dry in [Dry::Run, Dry::No] {
        let (again, refused) = bring(&service, file.clone(), dry).await;
        assert_eq!((again.imported, again.present, refused.len()), (0, 230, 0));
    }
    assert_eq!(password_hash(&service.ground, "user7").await, renewed);
    drop(service.call(Method::GET, "/api/v1/users/me").by(&ada).send().await.expect(200));
    service.until_count(counted, 231).await;
    service.until_count("SELECT count(*) FROM audit_events WHERE kind = 'user.imported'", 230).await;
    let whole = crate::testing::database(&service.ground).await;
    let verdict = crate::verify_audit(&whole, None, 0).await.unwrap();
    assert!(matches!(verdict, crate::Verdict::Whole { .. }), "{verdict:?}");
    whole.close().await;
    service.stop().await;
}

async fn somebody_elses_name_or_address_is_refused(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, hash) = (service.person("adalovelace").await, VECTORS[0].1);
    let before = password_hash(&service.ground, "adalovelace").await;
    let of = |email: &str, username: &str| json!({"email": email, "username": username, "password_hash": hash});
    for dry in [Dry::Run, Dry::No] {
        let file = [of("ADALOVELACE@example.org", "somebody"), of("somebody@example.org", "ＡＤＡＬＯＶＥＬＡＣＥ")];
        let (done, refused) = bring(&service, text(file), dry).await;
        assert_eq!(refused, ["1 /email email_taken", "2 /username username_taken"]);
        assert_eq!((done.imported, done.refused), (0, 2));
    }
    let (done, _) = bring(&service, text([of("AdaLovelace@example.org", "AdaLovelace")]), Dry::No).await;
    assert_eq!((done.imported, done.present), (0, 1), "who is there stays as they are");
    assert_eq!(password_hash(&service.ground, "adalovelace").await, before);
    drop(service.sign_in(&ada.email).await);
    service.stop().await;
}

async fn the_costliest_of_each_function_is_found(backend: Backend) {
    let service = Setup::on(backend).set("import.notice", "1h").start().await;
    assert!(costliest_foreign(service.app.database.read()).await.unwrap().is_empty());
    let (slow, quick) = (bcrypt::hash(PASSWORD, 5).unwrap(), bcrypt::hash(PASSWORD, 4).unwrap());
    let lines = [line("grace", &slow), line("quick", &quick), line("other", VECTORS[10].1), line("ours", VECTORS[0].1)];
    bring(&service, text(lines), Dry::No).await;
    let found = costliest_foreign(service.app.database.read()).await.unwrap();
    let bcrypts: Vec<_> = found.iter().filter(|it| it.function == "$2").collect();
    assert_eq!(bcrypts.len(), 1);
    assert_eq!(bcrypts[0].hash.as_str(), slow);
    assert!(found.len() >= 2, "{found:?}");
    service.stop().await;
}

/// A lower bound that holds wherever it runs: half of what bcrypt takes at this cost on the fastest of machines.
const COST_9: Duration = Duration::from_millis(10);

async fn failing_sign_ins_take_as_long_as_the_slowest_imported_hash(backend: Backend) {
    let service = Setup::on(backend).set("import.notice", "20ms").start().await;
    let slow = bcrypt::hash(PASSWORD, 9).unwrap();
    bring(&service, text([line("grace", &slow), line("quick", VECTORS[10].1)]), Dry::No).await;
    service.person("adalovelace").await;
    let fails = async |name: &str| {
        let began = Instant::now();
        service.password_grant(name, "wrong horse 9").await.expect_problem(400, "invalid_grant");
        began.elapsed()
    };
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    while join_all((0..5).map(|_| fails("nobody"))).await.into_iter().any(|took| took < COST_9) {
        ticks.tick().await;
    }
    for name in ["nobody", "adalovelace", "quick", "grace"] {
        let took = fails(name).await;
        assert!(took >= COST_9, "{name} {took:?}");
    }
    drop(service.sign_in("grace").await);
    drop(service.sign_in("quick").await);
    // Nothing is left to hide.
    while fails("nobody").await >= COST_9 {
        ticks.tick().await;
    }
    service.stop().await;
}
