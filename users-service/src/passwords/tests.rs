//! What a password must look like, and what the pool admits.

use std::time::Duration;

use futures_util::future::join_all;
use shared::config::Secret;
use shared::problem::Code;

use super::hash::Parameters;
use super::*;
use crate::config::{Hashing, PasswordRule, Passwords};

fn code(text: &str, rule: PasswordRule) -> Result<(), &'static str> {
    let names = ["adalovelace", "ada.l", "Countess of Lovelace"];
    let rules = Passwords { rule, context_words: vec!["Tollgate".to_owned(), "qq".to_owned()] };
    Password::parse(text, &rules, &names).map(drop).map_err(|refused| refused.code)
}

#[test]
fn each_rule_refuses_what_it_should() {
    let longest = format!("{}1", "x".repeat(127));
    let too_long = format!("{}1", "x".repeat(128));
    let table = [
        ("correct horse 9", Ok(())),
        ("пароль из слов 7", Ok(())),
        ("tenchars12", Ok(())),
        (longest.as_str(), Ok(())),
        ("ninechar1", Err("length")),
        (too_long.as_str(), Err("length")),
        ("", Err("length")),
        ("no digits at all", Err("digit")),
        ("half a horse is ½", Err("digit")),
        ("louis Ⅷ and ① 二 ²", Err("digit")),
        ("كلمة المرور ٣", Ok(())),
        ("पासवर्ड शब्द ७", Ok(())),
        ("1234567890", Err("common")),
        ("QWERTY12345", Err("common")),
        ("pass\0word1234", Err("control")),
        ("pass\tword\u{85}1234", Err("control")),
        ("my ADALOVELACE 1", Err("own_name")),
        ("the countess 1234", Err("own_name")),
        ("mada lovelyaced 1", Err("own_name")),
        ("of the counted 12", Ok(())),
        ("the TollGate key 7", Err("context_word")),
        ("two of qq and 12", Ok(())),
    ];
    for (text, expected) in table {
        assert_eq!(code(text, PasswordRule::Composition), expected, "{text}");
    }
    assert_eq!(code("no digits at all", PasswordRule::Nist), Ok(()));
    assert_eq!(code("fourteen chars", PasswordRule::Nist), Err("length"));
}

fn hashing(workers: usize, queue: usize, max_wait: Duration) -> Hashing {
    Hashing { memory_kib: 64, passes: 1, lanes: 1, workers, memory: 0, queue, max_wait: max_wait.into() }
}

fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

#[tokio::test]
async fn a_hash_verifies_its_password_alone_and_says_when_it_is_outdated() {
    let hasher = Hasher::start(&hashing(1, 10, Duration::from_secs(10))).unwrap();
    let hash = hasher.hash(&secret("one 1")).await.unwrap();
    assert!(hash.as_str().starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
    assert_ne!(hasher.hash(&secret("one 1")).await.unwrap(), hash, "salted");
    assert_eq!(hasher.verify(&secret("one 1"), Some(&hash)).await.unwrap(), Verified::Yes);
    assert_eq!(hasher.verify(&secret("two 2"), Some(&hash)).await.unwrap(), Verified::No);
    assert_eq!(hasher.verify(&secret("one 1"), None).await.unwrap(), Verified::No);
    let stronger = Hasher::start(&Hashing { passes: 2, ..hashing(1, 10, Duration::from_secs(10)) }).unwrap();
    let Verified::Renewed(renewed) = stronger.verify(&secret("one 1"), Some(&hash)).await.unwrap() else {
        return assert_eq!(hash.as_str(), "to be renewed");
    };
    assert_eq!(stronger.verify(&secret("one 1"), Some(&renewed)).await.unwrap(), Verified::Yes);
    assert!(hasher.verify(&secret("one 1"), Some(&PasswordHash::stored("nonsense".to_owned()))).await.is_err());
    assert!(Parameters::new(&Hashing { lanes: 0, ..hashing(1, 1, Duration::ZERO) }).is_err());
}

#[tokio::test]
async fn who_finds_the_queue_full_or_waits_too_long_is_told_to_come_again() {
    let slow = |queue, wait| Hashing { memory_kib: 8_192, passes: 4, ..hashing(1, queue, wait) };
    let hasher = Hasher::start(&slow(2, Duration::from_secs(60))).unwrap();
    let password = secret("one 1");
    let results = join_all((0..10).map(|_| hasher.hash(&password))).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 3, "one at work, two in the queue");
    for refused in results.into_iter().filter_map(Result::err) {
        assert_eq!(refused.code(), Code::Overloaded);
    }
    assert_eq!(hasher.waiting(), 0);
    let hasher = Hasher::start(&slow(100, Duration::from_millis(1))).unwrap();
    let results = join_all((0..10).map(|_| hasher.hash(&password))).await;
    assert!(results.iter().any(Result::is_err) && results.iter().any(Result::is_ok));
}

#[tokio::test]
async fn a_client_that_goes_away_frees_its_place_but_not_the_worker() {
    let hasher = Hasher::start(&Hashing { memory_kib: 8_192, ..hashing(1, 1, Duration::from_secs(60)) }).unwrap();
    let password = secret("one 1");
    for _ in 0..20 {
        // Polled once, so that the job is at work or in the queue, then dropped.
        let hash = std::pin::pin!(hasher.hash(&password));
        drop(futures_util::future::select(hash, std::future::ready(())).await);
    }
    assert_eq!(hasher.waiting(), 0);
    assert!(hasher.hash(&password).await.is_ok());
}
