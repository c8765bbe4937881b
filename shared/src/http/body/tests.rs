//! Each fault of a body has its code, its place and plain words, and all are told at once.

use super::*;
use crate::problem::Context;
use crate::wire::RawAmount;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    #[expect(dead_code, reason = "only its parsing is tested")]
    amount: RawAmount,
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    id: uuid::Uuid,
}

fn refused(body: &str) -> (Code, String, String) {
    let problem = parse::<Order>(body.as_bytes()).unwrap_err();
    let body = problem.to_value(&Context::current());
    let text = |name: &str| body["errors"][0][name].as_str().unwrap_or_default().to_owned();
    (problem.code(), text("pointer"), text("code"))
}

#[test]
fn each_fault_has_its_code_and_its_place() {
    let table = [
        ("", Code::MalformedBody, "", ""),
        ("{\"amount\": 1", Code::MalformedBody, "", ""),
        ("{\"amount\": 1} x", Code::MalformedBody, "", ""),
        ("[]", Code::MalformedBody, "", ""),
        ("[5]", Code::MalformedBody, "", ""),
        ("{} {}", Code::MalformedBody, "", ""),
        ("{\"admin\": 1,}", Code::MalformedBody, "", ""),
        ("{}", Code::ValidationFailed, "/amount", "required"),
        ("{\"amount\": 1.0}", Code::MalformedBody, "/amount", "type"),
        ("{\"amount\": null}", Code::MalformedBody, "/amount", "type"),
        ("{\"amount\": 1, \"amount\": 2}", Code::MalformedBody, "/amount", "repeated"),
        ("{\"amount\": 1, \"admin\": true}", Code::ValidationFailed, "/admin", "unknown_field"),
        ("{\"amount\": 1, \"items\": 3}", Code::MalformedBody, "/items", "type"),
        ("{\"amount\": 1, \"items\": [{}]}", Code::ValidationFailed, "/items/0/id", "required"),
        ("{\"amount\": 1, \"items\": [{\"id\": \"x\"}]}", Code::ValidationFailed, "/items/0/id", "invalid"),
    ];
    for (body, code, pointer, rule) in table {
        assert_eq!(refused(body), (code, pointer.to_owned(), rule.to_owned()), "{body}");
    }
    let latin1 = b"{\"admin\": \"\xe9\"}";
    assert_eq!(parse::<Order>(latin1).unwrap_err().code(), Code::MalformedBody);
    let deep = "[".repeat(10_000);
    assert_eq!(parse::<serde_json::Value>(deep.as_bytes()).unwrap_err().code(), Code::MalformedBody);
    let whole = parse::<Order>(br#"{"amount": 5, "items": [{"id": "01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11"}]}"#).unwrap();
    assert_eq!(whole.items[0].id.get_version_num(), 7);
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its parsing is tested")]
struct Person {
    id: crate::domain::UserId,
    name: String,
    kind: Kind,
    age: u8,
    #[serde(default)]
    tags: Vec<Kind>,
    #[serde(default)]
    home: crate::http::patch::Field<Home>,
    amount: RawAmount,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Human,
    Robot,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its parsing is tested")]
struct Home {
    street: String,
}

/// What a client is told: the code, and each fault as `pointer rule`.
fn told(body: &str) -> (Code, Vec<String>) {
    let faults = survey::<Person>(body.as_bytes(), read::<Person>(body.as_bytes()).unwrap_err());
    let problem = Fault::problem(faults);
    let text = problem.to_value(&Context::current());
    let faults = text["errors"].as_array().cloned().unwrap_or_default();
    let faults = faults.iter().map(|fault| format!("{} {}", fault["pointer"], fault["code"]).replace('"', ""));
    (problem.code(), faults.collect())
}

#[test]
fn every_fault_is_told_at_once_and_the_first_decides() {
    let invalid = Code::ValidationFailed;
    let id = "01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11";
    let table = [
        ("{\"kind\": \"human\"}", invalid, "/id required, /name required, /age required, /amount required"),
        (
            "{\"a\": 1, \"kind\": \"human\", \"b/c\": 2, \"id\": 5, \"age\": 1, \"name\": 7, \"a\": 2}",
            invalid,
            "/a unknown_field, /b~1c unknown_field, /id type, /name type, /amount required",
        ),
        (
            "{\"amount\": 1.0, \"age\": 300, \"b\": 2, \"kind\": \"x\", \"name\": \"\"}",
            Code::MalformedBody,
            "/amount type, /age invalid, /b unknown_field, /kind one_of, /id required",
        ),
        (
            "{\"name\": \"a\", \"name\": \"b\", \"tags\": [\"robot\", 5], \"home\": {\"x\": 1}}",
            Code::MalformedBody,
            "/name repeated, /tags/1 type, /home/x unknown_field, /id required, /kind required, /age required, /amount required",
        ),
    ];
    for (body, code, faults) in table {
        let (told_code, told_faults) = told(body);
        assert_eq!((told_code, told_faults.join(", ").as_str()), (code, faults), "{body}");
    }
    let mut large = format!("{{\"id\": \"{id}\", \"name\": \"");
    large.push_str(&"x".repeat(20_000));
    large.push_str("\"}");
    assert_eq!(told(&large).1.len(), 1, "a large body is not read again and again");
    let many: Vec<_> = (0..100).map(|i| format!("\"m{i}\":1")).collect();
    assert_eq!(told(&format!("{{{}}}", many.join(","))).1.len(), 32);
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its parsing is tested")]
struct Parcel {
    weight: u8,
    to: Home,
}

#[test]
fn what_nothing_can_stand_for_hides_no_other_fault() {
    let table = [
        ("{\"to\": 5, \"x\": 1, \"weight\": \"a\"}", "/to type, /x unknown_field, /weight type"),
        ("{\"to\": {\"street\": 1, \"x\": 1}, \"y\": 1}", "/to/street type, /y unknown_field, /weight required"),
        ("{}", "/weight required, /to required"),
    ];
    for (body, faults) in table {
        let told = survey::<Parcel>(body.as_bytes(), read::<Parcel>(body.as_bytes()).unwrap_err());
        let told: Vec<_> = told.iter().map(|fault| format!("{} {}", fault.pointer, fault.rule)).collect();
        assert_eq!(told.join(", "), faults, "{body}");
    }
}

#[test]
fn no_word_of_a_library_is_told() {
    let table = [
        ("\"home\": 5", "an object is wanted"),
        ("\"age\": \"x\"", "an integer within its range is wanted"),
        ("\"age\": 1.5", "an integer within its range is wanted"),
        ("\"age\": -1", "an integer within its range is wanted"),
        ("\"name\": 5", "text is wanted"),
        ("\"kind\": null", "text is wanted"),
        ("\"kind\": [1]", "text is wanted"),
        ("\"tags\": {}", "an array is wanted"),
        ("\"tags\": [\"x\"]", "one of human, robot"),
        ("\"id\": \"x\"", "no UUID"),
        ("\"amount\": \"5\"", "an integer of minor units is wanted"),
    ];
    for (member, detail) in table {
        let problem = parse::<Person>(format!("{{{member}}}").as_bytes()).unwrap_err();
        assert_eq!(problem.to_value(&Context::current())["errors"][0]["detail"], detail, "{member}");
    }
    let deep = format!("{{\"home\": {}{}}}", "[".repeat(200), "]".repeat(200));
    let deep = parse::<serde_json::Value>(deep.as_bytes()).unwrap_err();
    assert_eq!(deep.code(), Code::MalformedBody);
}
