//! Good and bad requests for every operation of a document: made from its schemas, and a few by hand.

use std::fmt;

use reqwest::Method;
use serde_json::Value;

/// Nobody's.
const NOWHERE: &str = "01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11";

/// What each member is tried with.
const VALUES: [&str; 17] = [
    "null",
    "5",
    "1.0",
    "1e2",
    "-0",
    "99999999999999999999",
    "1e999",
    "\"x\"",
    "\"\"",
    "\" a\"",
    "\"01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e12\"",
    "\"\\ud800\"",
    "true",
    "[]",
    "[5]",
    "{}",
    "{\"x\": 1}",
];

/// A request.
pub struct Case {
    pub method: Method,
    /// As the document has it.
    pub template: String,
    /// With a query, and with `{account}` and `{victim}` for ids of the world.
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    /// `§` is a number that is never the same.
    pub body: Option<Vec<u8>>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.body.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        let body: String = body.chars().take(300).collect();
        write!(f, "{} {} {:?} {body}", self.method, self.path, self.headers)
    }
}

/// The requests of every operation.
pub fn of(document: &Value) -> Vec<Case> {
    let mut cases = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let method: Method = method.to_ascii_uppercase().parse().expect("a method");
            Maker { document, operation, template: path, method }.make(&mut cases);
        }
    }
    cases
}

struct Maker<'d> {
    document: &'d Value,
    operation: &'d Value,
    template: &'d str,
    method: Method,
}

impl Maker<'_> {
    fn make(&self, cases: &mut Vec<Case>) {
        let (good, bad) = (self.paths(false), self.paths(true));
        let schema = &self.operation["requestBody"]["content"]["application/json"]["schema"];
        let name = schema["$ref"].as_str().and_then(|target| target.rsplit('/').next());
        let body = name.map(members);
        for query in
            ["", "?x=1", "?x=1&y=2", "?x=1&x=2", "?limit=1&limit=2", "?q=%00", "?page=x", "?limit=0", "?version=9"]
        {
            // A version that does not exist is the gateway's own to refuse.
            let version = query.contains("version") && self.template.starts_with("/api/");
            for path in good.iter().chain(&bad).filter(|_| !version) {
                let broken = body.as_ref().map(|_| b"{\"x\": 1}".to_vec());
                self.case(cases, &format!("{path}{query}"), &[], broken);
            }
        }
        // A good body, and a parameter that there is not: OAuth's endpoints ignore it.
        if let Some(members) = &body {
            self.case(cases, &format!("{}?nope=1", good[0]), &[], Some(text(members).into_bytes()));
        }
        self.media(cases, &good[0]);
        match (name, body) {
            (Some(name), Some(members)) => self.bodies(cases, &good[0], name, &members),
            (_, _) if self.operation["requestBody"].is_object() => self.forms(cases, &good[0]),
            (_, _) if self.method == Method::POST => self.empty(cases, &good[0]),
            (_, _) => {}
        }
    }

    /// Paths that name something, or with `bad` set, that cannot.
    fn paths(&self, bad: bool) -> Vec<String> {
        let harmless = self.method == Method::GET || self.method == Method::PATCH;
        let ids: &[&str] = match (bad, self.template.contains("/users/"), self.template.contains("/accounts/")) {
            (true, _, _) => &["7", "01936f6e7d6a7c3e8a3f3b1f0c9d2e11", "x%20y"],
            (false, true, _) if self.method == Method::DELETE => &[NOWHERE],
            (false, true, _) if self.template.contains("/passkeys/") => &[NOWHERE],
            (false, true, _) if harmless => &["me", NOWHERE, "{victim}"],
            (false, true, _) => &["{victim}", NOWHERE],
            (false, false, true) if harmless => &["{account}", NOWHERE],
            (false, false, _) => &[NOWHERE],
        };
        let template =
            self.template.replace("{name}", "nosuchrole").replace("{sid}", NOWHERE).replace("{key}", NOWHERE);
        if template.contains("{id}") {
            ids.iter().map(|id| template.replace("{id}", id)).collect()
        } else {
            Vec::from_iter((!bad).then_some(template))
        }
    }

    fn case(&self, cases: &mut Vec<Case>, path: &str, headers: &[(&'static str, &str)], body: Option<Vec<u8>>) {
        let mut headers: Vec<_> = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        if self.method == Method::POST
            && (path.contains("/transfers") || path.contains("/exchanges"))
            && !headers.iter().any(|(n, _)| *n == "idempotency-key")
        {
            headers.push(("idempotency-key", uuid::Uuid::new_v4().to_string()));
        }
        let (method, template) = (self.method.clone(), self.template.to_owned());
        cases.push(Case { method, template, path: path.to_owned(), headers, body });
    }

    /// Media types, codings and what else is looked at before the body.
    fn media(&self, cases: &mut Vec<Case>, path: &str) {
        if self.method == Method::DELETE {
            return;
        }
        let wrong = Some(b"{\"x\": 1}".to_vec());
        for headers in [
            ("content-type", "text/plain"),
            ("content-type", "application/json; charset=latin1"),
            ("content-type", "application/json; charset=utf-8"),
            ("content-type", "application/merge-patch+json"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("content-type", ""),
            ("content-encoding", "gzip"),
            ("accept", "text/html"),
            ("accept", "application/problem+json"),
            ("idempotency-key", "a b"),
            ("idempotency-key", "\"open"),
            ("if-match", "\"0\""),
        ] {
            let body = if self.method == Method::GET { None } else { wrong.clone() };
            self.case(cases, path, &[headers], body);
        }
    }

    fn bodies(&self, cases: &mut Vec<Case>, path: &str, schema: &str, members: &[(&str, &str)]) {
        let mut with = |text: String| self.case(cases, path, &[], Some(text.into_bytes()));
        for text in
            ["", " ", "[]", "5", "nonsense", "{", "{}", "{} {}", "{\"x\": 1,}", "\u{feff}{}", "{\"a\\ud800\": 1}"]
        {
            with(text.to_owned());
        }
        with(format!("{{\"x\": {}", "[".repeat(20_000)));
        with(format!("{{\"x\": {}{}}}", "[".repeat(20_000), "]".repeat(20_000)));
        with(format!("{{\"x\": 1, \"y\": \"{}\"}}", "y".repeat(20_000)));
        with(format!("{{\"x\": 1, \"y\": \"{}\"}}", "y".repeat(70_000)));
        with((0..60).map(|n| format!("\"x{n}\": 1")).collect::<Vec<_>>().join(", ").replacen('"', "{\"", 1) + "}");
        with(text(members));
        let properties = self.document["components"]["schemas"][schema]["properties"].as_object().expect("members");
        for name in properties.keys() {
            let others = || members.iter().filter(|(other, _)| other != name).copied();
            with(text(&others().collect::<Vec<_>>()));
            for value in VALUES {
                with(text(&others().chain([(name.as_str(), value)]).collect::<Vec<_>>()));
                with(text(&[(name.as_str(), value), ("x", "1")].into_iter().chain(others()).collect::<Vec<_>>()));
            }
            with(text(&[("x`y", "1"), (name.as_str(), "[5]"), ("a/b", "1"), (name.as_str(), "7")]));
            with(text(&[(name.as_str(), "\"x\""), (name.as_str(), "\"x\"")]));
        }
        self.case(cases, path, &[], Some(b"{\"name\": \"\xe9\"}".to_vec()));
        self.case(cases, path, &[], None);
        self.case(cases, path, &[("content-type", "text/plain")], Some(Vec::new()));
    }

    /// OAuth's forms are theirs to judge, in OAuth's words.
    fn forms(&self, cases: &mut Vec<Case>, path: &str) {
        for form in [
            "",
            "grant_type=x",
            "grant_type=password&grant_type=x",
            "grant_type=refresh_token&refresh_token=x",
            "token=x",
            "a=%00",
        ] {
            let kind = [("content-type", "application/x-www-form-urlencoded")];
            self.case(cases, path, &kind, Some(form.as_bytes().to_vec()));
        }
    }

    /// A body where none is wanted.
    fn empty(&self, cases: &mut Vec<Case>, path: &str) {
        for body in ["", "{}", "{\"x\": 1}", "[]", "{"] {
            self.case(cases, path, &[], Some(body.as_bytes().to_vec()));
        }
    }
}

/// A good body, each member as it is written.
fn members(schema: &str) -> Vec<(&'static str, &'static str)> {
    match schema {
        "RegisterRequest" => vec![
            ("email", "\"new§@example.com\""),
            ("username", "\"new§\""),
            ("password", "\"correct horse battery 9 staple\""),
        ],
        "UserPatch" => vec![("name", "\"Ada\"")],
        "UserPatchV2" => vec![("name", "\"Ada\""), ("profile", "{\"phone\": \"+14155550123\"}")],
        "ProfileRequest" => vec![
            ("first_name", "\"Ada\""),
            ("last_name", "\"King\""),
            (
                "address",
                "{\"street\": \"1 Broadway\", \"city\": \"New York\", \"state\": \"NY\", \"zip_code\": \"10001\"}",
            ),
        ],
        "RolesRequest" => vec![("roles", "[\"user\"]")],
        "ChangeRequest" => vec![("current_password", "\"wrong\""), ("new_password", "\"short\"")],
        "AskRequest" => vec![("email", "\"nobody@example.com\"")],
        "VerifyRequest" => vec![("token", "\"tgl_x\"")],
        "ResetRequest" => vec![("token", "\"tgl_x\""), ("new_password", "\"short\"")],
        "SignInRequest" => vec![("username", "\"nobody\""), ("password", "\"wrong\""), ("otp", "\"000000\"")],
        "StepUpRequest" => vec![("password", "\"wrong\""), ("otp", "\"000000\"")],
        "PasskeyRequest" => vec![("name", "\"phone\""), ("credential", "\"{}\"")],
        "PasskeyPatch" => vec![("name", "\"phone\"")],
        "ConfirmRequest" => vec![("code", "\"000000\"")],
        "ApiKeyRequest" => vec![("name", "\"report§\""), ("scopes", "[\"users:read\"]")],
        "RoleRequest" => vec![("name", "\"auditor§\""), ("permissions", "[\"audit:read\"]")],
        "RolePatch" => vec![("description", "\"Looks on\"")],
        "RegisterClientRequest" => vec![
            ("name", "\"Books\""),
            ("grant_types", "[\"client_credentials\"]"),
            ("scopes", "[\"users:read\"]"),
            ("redirect_uris", "[]"),
        ],
        "ClientPatch" => vec![("name", "\"Books\"")],
        "ClientSecretRequest" => vec![("now", "true")],
        other => members_of_the_ledger(other),
    }
}

fn members_of_the_ledger(schema: &str) -> Vec<(&'static str, &'static str)> {
    const ONE: &str = "\"01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11\"";
    const OTHER: &str = "\"01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e12\"";
    match schema {
        "NewAccount" => vec![("name", "\"Spare\""), ("currency", "\"USD\""), ("kind", "\"user\"")],
        "AccountPatch" => vec![("name", "\"Spare\""), ("labels", "{\"shop\": \"7\", \"old\": null}")],
        "NewLimits" => vec![("limits", "[{\"window\": 60, \"amount\": 5, \"count\": 5}]")],
        "NewPosting" => vec![("amount", "5"), ("release_remainder", "true")],
        "NewReversal" => {
            vec![("amount", "5"), ("description", "\"Returned\""), ("metadata", "{\"a\": 1}")]
        }
        "NewTransfer" => vec![
            ("debit_account_id", ONE),
            ("credit_account_id", OTHER),
            ("amount", "5"),
            ("currency", "\"USD\""),
            ("metadata", "{\"a\": 1}"),
            ("preconditions", "{\"debit_balance\": {\"gte\": 0}}"),
            ("pending", "true"),
            ("expires_in", "60"),
        ],
        "NewExchange" => {
            vec![("debit_account_id", ONE), ("credit_account_id", OTHER), ("amount", "5"), ("rate", "\"1.5\"")]
        }
        "NewExchangeRate" => vec![
            ("base", "\"USD\""),
            ("quote", "\"EUR\""),
            ("rate", "\"0.9\""),
            ("base_account_id", ONE),
            ("quote_account_id", OTHER),
            ("rounding_account_id", ONE),
        ],
        "NewStandingOrder" => vec![
            ("debit_account_id", ONE),
            ("credit_account_id", OTHER),
            ("amount", "5"),
            ("currency", "\"USD\""),
            ("rule", "{\"every\": \"month\", \"day\": 1}"),
            ("time_zone", "\"UTC\""),
            ("starts_on", "\"2099-01-01\""),
            ("retries", "{\"times\": 1, \"after\": 3600}"),
        ],
        "StandingOrderPatch" => vec![("amount", "5"), ("status", "\"paused\"")],
        "NewAcknowledgement" => {
            vec![("violations", "[\"01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11\"]"), ("note", "\"Mended\"")]
        }
        "NewBatch" => vec![("mode", "\"independent\""), ("transfers", "[{}]")],
        other => panic!("what does a good {other} look like?"),
    }
}

fn text(members: &[(&str, &str)]) -> String {
    let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    format!("{{{}}}", members.join(", "))
}
