//! What each field takes, what it refuses, and what it holds to be the same.

use proptest::prelude::*;

use super::*;

#[test]
fn addresses_are_taken_or_refused() {
    let long_local = format!("{}@example.com", "a".repeat(64));
    for good in [
        "ada@example.com",
        "a.b+c@sub.example.co",
        "O'Neil@example.com",
        "用户@例子.广告",
        "x@xn--fsqu00a.xn--0zwm56d",
        &long_local,
    ] {
        assert!(Email::parse(good).is_ok(), "{good}");
    }
    let too_long_local = format!("{}@example.com", "a".repeat(65));
    let too_long = format!("a@{}.com", "b.".repeat(130));
    for bad in [
        "",
        "ada",
        "@example.com",
        "ada@",
        "ada@example",
        "ada@@example.com",
        ".ada@example.com",
        "a..b@example.com",
        "ada.@example.com",
        "a da@example.com",
        "ada@exa mple.com",
        "ada@-example.com",
        "ada@example..com",
        "ada@example.com.",
        "ada@127.0.0.1",
        "ada@[127.0.0.1]",
        "\"a b\"@example.com",
        "ada@example.com\n",
        "a\u{200b}da@example.com",
        "ada\u{fe0f}@example.com",
        "ada@exam\u{ad}ple.com",
        "a\u{0}@example.com",
        &too_long_local,
        &too_long,
    ] {
        assert!(Email::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn addresses_that_look_the_same_are_the_same() {
    let same =
        |a: &str, b: &str| assert_eq!(Email::parse(a).unwrap().normal(), Email::parse(b).unwrap().normal(), "{a} {b}");
    same("Ada@Example.COM", "ada@example.com");
    same("ａｄａ@example.com", "ada@example.com");
    same("straße@example.com", "STRASSE@example.com");
    same("ada@bücher.example", "ada@xn--bcher-kva.example");
    same("ada@BÜCHER.example", "ada@bücher.example");
    same("e\u{301}va@example.com", "éva@example.com");
    let other =
        |a: &str, b: &str| assert_ne!(Email::parse(a).unwrap().normal(), Email::parse(b).unwrap().normal(), "{a} {b}");
    other("ada@example.com", "ada@example.org");
    other("a.da@example.com", "ada@example.com");
    assert_eq!(Email::parse("Ada@Example.COM").unwrap().as_str(), "Ada@Example.COM");
}

#[test]
fn user_names_are_taken_or_refused() {
    for good in ["ada", "Ada.Lovelace", "a_b-c", "007bond", "Жанна", "名前です", "a".repeat(32).as_str()] {
        assert!(Username::parse(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "ab",
        ".ada",
        "-ada",
        "ada lovelace",
        "ada@home",
        "ad\u{200b}a",
        "a\u{0}bc",
        "a/b",
        "a".repeat(33).as_str(),
    ] {
        assert!(Username::parse(bad).is_err(), "{bad:?}");
    }
    for mixed in ["pаypal", "раypal", "αlice", "ada.жанна", "ꭰlice"] {
        assert_eq!(Username::parse(mixed).unwrap_err().code, "confusable", "{mixed}");
    }
    for whole in ["παύλος", "東京tokyo", "한국korea", "ᏣᎳᎩ", "müller", "ada-ñ.1"] {
        assert!(Username::parse(whole).is_ok(), "{whole}");
    }
    assert_eq!(Username::parse("ＡＤＡ").unwrap().normal(), "ada");
}

#[test]
fn names_and_numbers_are_taken_or_refused() {
    for good in ["A", "Ada Lovelace", "Анна-Мария", "Anna Смирнова", "क्\u{200d}ष", "a".repeat(100).as_str()]
    {
        assert!(Name::parse(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        " ",
        " Ada",
        "Ada ",
        "A\nB",
        "Ada\u{202e}",
        "A\u{200b}da",
        "A\u{2028}B",
        "\u{200d}Ada",
        "a".repeat(101).as_str(),
    ] {
        assert!(Name::parse(bad).is_err(), "{bad:?}");
    }
    for good in ["+14155550123", "+4930901820", "+123456789012345"] {
        assert!(Phone::parse(good).is_ok(), "{good}");
    }
    for bad in ["", "+", "14155550123", "+04155550123", "+1 415 555 0123", "+1234567890123456", "+123", "+١٢٣٤٥٦٧٨"]
    {
        assert!(Phone::parse(bad).is_err(), "{bad:?}");
    }
}

proptest! {
    /// Whatever is sent, reading it does not panic, and a normal form is its own normal form.
    #[test]
    fn normal_forms_are_stable(text in "\\PC{0,40}", domain in "[a-zA-ZäöüßÄ]{1,20}") {
        if let Ok(username) = Username::parse(&text) {
            prop_assert_eq!(fold(username.normal()), username.normal());
        }
        if let Ok(email) = Email::parse(&format!("{text}@{domain}.example")) {
            let again = Email::parse(email.normal());
            prop_assert_eq!(again.as_ref().map(Email::normal).ok(), Some(email.normal()));
        }
    }
}

#[test]
fn names_that_cannot_be_told_apart_by_eye_are_refused() {
    for invisible in ["ada\u{fe0f}", "ada\u{3164}", "ada\u{34f}", "ada\u{200d}x", "\u{115f}ada"] {
        assert!(Username::parse(invisible).is_err(), "{invisible:?}");
    }
}
