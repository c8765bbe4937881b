//! `check-receipt` as it is run by somebody who has nothing of ours but the binary, a receipt and the published keys.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;

use serde_json::Value;

use super::{DEFAULT_ISSUER, paid, receipt};
use crate::client::user;
use crate::on_both;
use crate::stack::{SECRET, Stack};

on_both!(a_receipt_is_checked_offline, keys_are_ordered_from_the_command_line, the_key_set_is_anybodys_and_cacheable);

/// How it ended, and what it said.
fn run(arguments: &[&str], env: &[(&str, &str)], input: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_accounts-service"));
    command.args(arguments).env_clear().envs(env.iter().copied());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may have ended before it read anything.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    let done = child.wait_with_output().unwrap();
    let [out, error] = [done.stdout, done.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (done.status.code().unwrap(), out, error)
}

fn check(folder: &Path, more: &[&str], receipt: &str) -> (i32, String, String) {
    let keys = folder.join("keys.json").display().to_string();
    let arguments: Vec<_> = ["check-receipt", "--keys", &keys].iter().chain(more).copied().collect();
    run(&arguments, &[], receipt)
}

async fn a_receipt_is_checked_offline(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let from = client.funded(&who, 10).await;
    let to = client.open(&who, "user").await;
    let answer = paid(client, &who, (&from, &to), "1").await.expect(201);
    let receipt = receipt(&answer);
    let set = reqwest::get(format!("{}/.well-known/receipt-keys.json", client.address())).await.unwrap();
    let folder = std::env::temp_dir().join(format!("tollgate-receipt-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("keys.json"), set.bytes().await.unwrap()).unwrap();
    let file = folder.join("receipt.jws");
    std::fs::write(&file, format!("{receipt}\n")).unwrap();

    for more in [[].as_slice(), &["-"], &["--issuer", DEFAULT_ISSUER], &[file.to_str().unwrap()]] {
        let (code, out, error) = check(&folder, more, &receipt);
        assert_eq!((code, error.as_str()), (0, ""), "{more:?}");
        let said: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((&said["sub"], &said["transfer"]["amount"]), (&answer.json()["id"], &1.into()));
    }
    let (head, rest) = receipt.split_at(receipt.len() / 2);
    let other = if rest.starts_with('A') { 'B' } else { 'A' };
    let tampered = format!("{head}{other}{}", &rest[1..]);
    for (more, input, why) in [
        ([].as_slice(), tampered.as_str(), "the signature is not"),
        (&["--issuer", "https://other.example.com"], receipt.as_str(), "not by `https://other.example.com`"),
        (&[], "", "no compact JWS"),
        (&[], "no receipt", "no compact JWS"),
    ] {
        let (code, out, error) = check(&folder, more, input);
        assert_eq!((code, out.as_str()), (1, ""), "{error}");
        assert!(error.contains("refused") && error.contains(why), "{error}");
    }
    for (arguments, why) in [
        (["check-receipt"].as_slice(), "--keys"),
        (&["check-receipt", "--keys", "/nowhere/keys.json"], "/nowhere/keys.json"),
        (&["check-receipt", "--keys", file.to_str().unwrap()], "no key set"),
        (&["check-receipt", "/nowhere/r", "--keys", folder.join("keys.json").to_str().unwrap()], "/nowhere/r"),
    ] {
        let (code, out, error) = run(arguments, &[], &receipt);
        assert_eq!((code, out.as_str()), (2, ""), "{error}");
        assert!(error.contains(why), "{error}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

async fn keys_are_ordered_from_the_command_line(stack: Rc<Stack>) {
    let env =
        [("TOLLGATE_ACCOUNTS__DATABASE__URL", stack.url.as_str()), ("TOLLGATE_ACCOUNTS__IDENTITY__SECRET", SECRET)];
    let ordered = |arguments: &[&str], code: i32| {
        let (ended, out, error) = run(arguments, &env, "");
        assert_eq!(ended, code, "{error}");
        (serde_json::from_str::<Value>(&out).unwrap_or_default(), error)
    };
    let kid = |set: &Value, at: usize| set["keys"][at]["kid"].as_str().unwrap().to_owned();
    let shown = ordered(&["receipt-keys"], 0).0;
    let first = kid(&shown, 0);
    let rotated = ordered(&["rotate-receipt-key"], 0).0;
    let next = kid(&rotated, 0);
    let waits = rotated["keys"][0]["nbf"].as_i64().unwrap() - rotated["keys"][0]["iat"].as_i64().unwrap();
    assert!((900..=901).contains(&waits) && kid(&rotated, 1) == first, "{rotated}");
    assert!(ordered(&["rotate-receipt-key"], 1).1.contains("a successor is there already"));
    let since = "2026-01-01T00:00:00Z";
    let revoked = ordered(&["revoke-receipt-key", &first, "--since", since], 0).0;
    assert_eq!(revoked["keys"][1]["revoked"]["reason"], "compromised");
    assert_eq!(kid(&revoked, 0), next, "the next one signs in its place");
    assert!(ordered(&["revoke-receipt-key", &first], 1).1.contains("already"));
    assert!(ordered(&["revoke-receipt-key", "nobody"], 1).1.contains("there is no receipt key `nobody`"));
    assert!(ordered(&["revoke-receipt-key", &next, "--since", "2999-01-01T00:00:00Z"], 1).1.contains("yet to come"));
    ordered(&["revoke-receipt-key", &next, "--since", "noon"], 2);
}

async fn the_key_set_is_anybodys_and_cacheable(stack: Rc<Stack>) {
    let url = format!("{}/.well-known/receipt-keys.json", stack.client.address());
    let answer = reqwest::get(&url).await.unwrap();
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(
        (header("content-type").as_str(), header("cache-control").as_str()),
        ("application/json", "public, max-age=300, must-revalidate")
    );
    let tag = header("etag");
    let set: Value = answer.json().await.unwrap();
    let key = &set["keys"][0];
    assert_eq!([&key["kty"], &key["crv"], &key["use"], &key["alg"]], ["OKP", "Ed25519", "sig", "EdDSA"]);
    assert!(key.get("d").is_none());
    let again = reqwest::Client::new().get(&url).header("if-none-match", &tag).send().await.unwrap();
    assert_eq!(again.status(), 304);
    assert!(again.bytes().await.unwrap().is_empty());
    let post = reqwest::Client::new().post(&url).send().await.unwrap();
    assert_eq!((post.status().as_u16(), post.headers()["allow"].to_str().unwrap()), (405, "GET, HEAD"));
}
