//! What other upstreams' documents say, asked of requests: JSON Schema in bodies, styles of parameters, and hostile input.

use std::time::{Duration, Instant};

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use shared::problem::Context;

use super::super::values::Schemas;
use super::*;

/// The operation `POST /things/{id}` with this schema for its body and these parameters.
fn operation(schema: Value, parameters: Value, components: Value) -> Foreign {
    let body = json!({"required": true, "content": {"application/json": {"schema": schema}, "text/plain": {}}});
    let operation = json!({"requestBody": body, "parameters": parameters});
    let document = json!({"paths": {"/things/{id}": {"post": operation}}, "components": {"schemas": components}});
    Foreign::compile(&Schemas::of(&document), "/things/{id}", "post")
}

/// Status, and each fault as "pointer code"; without faults the problem's code.
fn told(verdict: Verdict) -> String {
    let problem = match verdict {
        Verdict::Valid => return "valid".to_owned(),
        Verdict::Unjudged => return "unjudged".to_owned(),
        Verdict::Wrong(problem) => problem.to_value(&Context::current()),
    };
    let faults = problem["errors"].as_array().into_iter().flatten();
    let faults: Vec<_> =
        faults.map(|fault| format!("{} {}", fault["pointer"], fault["code"]).replace('"', "")).collect();
    let said = if faults.is_empty() { problem["code"].to_string().replace('"', "") } else { faults.join(", ") };
    format!("{} {said}", problem["status"])
}

fn post() -> TestRequest {
    TestRequest::post().insert_header(("content-length", "2"))
}

fn body(operation: &Foreign, text: &str) -> String {
    let request = post().insert_header(("content-type", "application/json")).to_http_request();
    told(operation.whole(&request, Some(text.as_bytes())))
}

fn of_schema(schema: Value, text: &str) -> String {
    body(&operation(schema, json!([]), json!({})), text)
}

#[test]
fn every_keyword_of_json_schema_is_held() {
    for (schema, good, bad, said) in [
        (json!({"type": "string"}), "\"x\"", "5", "400  type"),
        (json!({"type": "integer"}), "1.0", "1.5", "400  type"),
        (json!({"type": ["integer", "null"]}), "null", "\"x\"", "400  type"),
        (json!({"enum": ["a", 1]}), "1", "2", "422  one_of"),
        (json!({"const": "a"}), "\"a\"", "\"b\"", "422  one_of"),
        (json!({"pattern": "^[a-z-]+$"}), "\"a-b\"", "\"A\"", "422  pattern"),
        (json!({"pattern": "^(?=.*\\d)(?=.*[a-z]).{3,}$"}), "\"a1b\"", "\"abc\"", "422  invalid"),
        (json!({"minLength": 2}), "\"éé\"", "\"é\"", "422  length"),
        (json!({"maxLength": 2}), "\"éé\"", "\"ééé\"", "422  length"),
        (json!({"minimum": 1}), "1", "0", "422  range"),
        (json!({"maximum": 9}), "9", "9.5", "422  range"),
        (json!({"exclusiveMinimum": 1}), "1.1", "1", "422  range"),
        (json!({"exclusiveMaximum": 9}), "8", "9", "422  range"),
        (json!({"multipleOf": 0.01}), "4.02", "4.021", "422  multiple_of"),
        (json!({"minItems": 1}), "[1]", "[]", "422  min_items"),
        (json!({"maxItems": 1}), "[1]", "[1, 2]", "422  max_items"),
        (json!({"uniqueItems": true}), "[1, 2]", "[1, 1.0]", "422  unique_items"),
        (json!({"items": {"type": "integer"}}), "[1]", "[1, \"x\"]", "400 /1 type"),
        (json!({"prefixItems": [{"type": "string"}], "items": false}), "[\"x\"]", "[\"x\", 1]", "422"),
        (json!({"contains": {"const": 1}}), "[2, 1]", "[2]", "422  contains"),
        (json!({"minProperties": 1}), "{\"a\": 1}", "{}", "422  min_members"),
        (json!({"maxProperties": 1}), "{}", "{\"a\": 1, \"b\": 1}", "422  max_members"),
        (json!({"propertyNames": {"pattern": "^x-"}}), "{\"x-a\": 1}", "{\"a\": 1}", "422  member_name"),
        (json!({"patternProperties": {"^n": {"type": "integer"}}}), "{\"n1\": 1}", "{\"n1\": \"x\"}", "400 /n1 type"),
        (json!({"additionalProperties": {"type": "integer"}}), "{\"a\": 1}", "{\"a~/b\": \"x\"}", "400 /a~0~1b type"),
        (json!({"dependentRequired": {"a": ["b"]}}), "{\"a\": 1, \"b\": 1}", "{\"a\": 1}", "422 /b required"),
        (json!({"not": {"const": 5}}), "4", "5", "422  not"),
        (json!({"anyOf": [{"type": "string"}, {"minimum": 5}]}), "5", "4", "422  range"),
        (json!({"allOf": [{"minimum": 1}, {"maximum": 2}]}), "2", "3", "422  range"),
        (json!({"oneOf": [{"multipleOf": 2}, {"multipleOf": 3}]}), "3", "6", "422  ambiguous"),
        (json!({"if": {"required": ["a"]}, "then": {"required": ["b"]}}), "{}", "{\"a\": 1}", "422 /b required"),
        (json!({"format": "date-time"}), "\"2026-11-21T08:00:00Z\"", "\"2026-11-21\"", "422  format"),
        (json!({"format": "date"}), "\"2026-11-21\"", "\"2026-02-30\"", "422  format"),
        (json!({"format": "uuid"}), "\"01936f6a-02b4-7d19-b1c8-9e7f5a3d4c55\"", "\"7\"", "422  format"),
        (json!({"format": "email"}), "\"ada@example.com\"", "\"ada\"", "422  format"),
        (json!({"format": "uri"}), "\"https://example.com/\"", "\"/x\"", "422  format"),
        (json!({"format": "nobody-knows"}), "\"x\"", "5", "valid"),
    ] {
        assert_eq!(of_schema(schema.clone(), good), "valid", "{schema} {good}");
        let found = of_schema(schema.clone(), bad);
        assert!(found == said || (said == "422" && found.starts_with("422 ")), "{schema} {bad}: {found}");
    }
}

#[test]
fn faults_are_told_in_the_words_of_our_services() {
    let address = json!({"type": "object", "required": ["zip"], "additionalProperties": false,
        "properties": {"zip": {"type": "string", "pattern": "^\\d{5}$"}}});
    let order = json!({"type": "object", "required": ["sku", "count", "id"], "additionalProperties": false, "properties": {
        "id": {"type": "integer", "readOnly": true},
        "sku": {"type": "string"}, "count": {"type": "integer", "minimum": 1},
        "to": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Address"}]},
        "gift": {"anyOf": [{"type": "boolean"}, {"type": "object", "required": ["by"]}]},
        "next": {"$ref": "#/components/schemas/Order"},
    }});
    let order = operation(
        json!({"$ref": "#/components/schemas/Order"}),
        json!([]),
        json!({"Order": order, "Address": address}),
    );
    for (text, said) in [
        (r#"{"sku": "tea", "count": 1, "to": null, "gift": {"by": "x"}}"#, "valid"),
        ("{}", "422 /sku required, /count required"),
        (r#"{"sku": "tea", "count": 0, "x": 1}"#, "422 /count range, /x unknown_field"),
        (r#"{"sku": "tea", "count": "1", "x": 1}"#, "400 /count type, /x unknown_field"),
        (r#"{"sku": "tea", "count": 1, "to": {"zip": "1"}}"#, "422 /to/zip pattern"),
        (r#"{"sku": "tea", "count": 1, "to": {}}"#, "422 /to/zip required"),
        (r#"{"sku": "tea", "count": 1, "to": 5}"#, "422 /to no_form"),
        (r#"{"sku": "tea", "count": 1, "gift": {}}"#, "422 /gift/by required"),
        (
            r#"{"sku": "tea", "count": 1, "next": {"sku": "x", "count": 1, "next": {"sku": 5}}}"#,
            "400 /next/next/sku type, /next/next/count required",
        ),
        (r#"{"sku": "tea", "count": 1, "sku": "x"}"#, "400 /sku repeated"),
        (r#"{"sku": "tea""#, "400 malformed_body"),
        ("", "400 malformed_body"),
        ("[]", "400  type"),
    ] {
        let found = body(&order, text);
        let sorted = |text: &str| {
            let (status, faults) = text.split_once(' ').unwrap_or((text, ""));
            let mut faults: Vec<_> = faults.split(", ").map(str::to_owned).collect();
            faults.sort_unstable();
            (status.to_owned(), faults)
        };
        assert_eq!(sorted(&found), sorted(said), "{text}: {found}");
    }
}

#[test]
fn hostile_bodies_cost_little_and_say_little() {
    let many: Vec<_> = (0..500).map(|n| format!("\"x{n}\": 1")).collect();
    let closed = json!({"properties": {"a": {}}, "additionalProperties": false});
    let closed = operation(closed, json!([]), json!({}));
    let found = body(&closed, &format!("{{{}}}", many.join(",")));
    assert_eq!(found.matches("unknown_field").count(), MAX_FAULTS);
    let node = json!({"anyOf": [{"properties": {"next": {"$ref": "#/components/schemas/Node"}}, "required": ["a"]},
        {"properties": {"next": {"$ref": "#/components/schemas/Node"}}, "required": ["b"]}]});
    let node = operation(json!({"$ref": "#/components/schemas/Node"}), json!([]), json!({"Node": node}));
    let deep = |depth: usize| format!("{}1{}", "{\"next\":".repeat(depth), "}".repeat(depth));
    assert_eq!(body(&node, &deep(60)), "422  invalid", "in a time that does not double with each level");
    assert_eq!(body(&node, &deep(65)), "400 malformed_body");
    assert_eq!(body(&node, &"[".repeat(100_000)), "400 malformed_body");
    let list = json!({"type": "object", "required": ["a"], "properties": {"a": {}, "next":
        {"oneOf": [{"$ref": "#/components/schemas/List"}, {"type": "null"}]}}});
    let list = operation(json!({"$ref": "#/components/schemas/List"}), json!([]), json!({"List": list}));
    let linked = format!("{}{{}}{}", "{\"a\":1,\"next\":".repeat(60), "}".repeat(60));
    assert_eq!(body(&list, &linked), format!("422 {}/a required", "/next".repeat(60)), "what comes back once is told");
    let slow = operation(json!({"pattern": "^(?=(a+)+$).*b$"}), json!([]), json!({}));
    assert_eq!(body(&slow, &format!("\"{}!\"", "a".repeat(5_000))), "422  invalid");
    let itself = operation(
        json!({"$ref": "#/components/schemas/Loop"}),
        json!([]),
        json!({"Loop": {"$ref": "#/components/schemas/Loop"}}),
    );
    assert!(["valid", "unjudged"].contains(&body(&itself, "{}").as_str()));
}

/// A list of `depth` with something wrong at its end, against a schema that comes back to itself.
fn deep(node: &Value, depth: usize) -> (String, Duration) {
    let operation = operation(json!({"$ref": "#/components/schemas/Node"}), json!([]), json!({"Node": node}));
    let text = format!("{}{{\"a\":5}}{}", "{\"a\":\"x\",\"next\":".repeat(depth), "}".repeat(depth));
    let begun = Instant::now();
    let said = body(&operation, &text);
    (said, begun.elapsed())
}

#[test]
fn a_schema_that_comes_back_twice_does_not_double_the_work_with_each_level() {
    let back = json!({"$ref": "#/components/schemas/Node"});
    let text = json!({"type": "string"});
    let next = json!({"properties": {"next": back, "a": text}, "required": ["a"]});
    for node in [
        json!({"allOf": [next, next]}),
        json!({"allOf": [{"properties": {"next": back}}, next]}),
        json!({"properties": {"next": back}, "anyOf": [next, {"type": "null"}]}),
        json!({"properties": {"next": back, "a": text}, "patternProperties": {"^n": back}}),
        json!({"properties": {"a": text}, "patternProperties": {"^n": back, "t$": back}}),
        json!({"properties": {"next": back, "a": text}, "dependentSchemas": {"next": next}}),
        json!({"if": next, "then": next, "else": next}),
        json!({"properties": {"next": back, "a": text}, "not": {"not": next}}),
        json!({"allOf": [next], "unevaluatedProperties": back, "oneOf": [next, {"type": "null"}]}),
    ] {
        let (said, took) = deep(&node, 60);
        assert_eq!(said, "422  invalid", "{node}");
        assert!(took < Duration::from_secs(5), "{took:?} {node}");
    }
    let once = json!({"properties": {"next": back, "a": text, "left": back, "right": back}, "required": ["a"]});
    let at = format!("400 {}/a type", "/next".repeat(60));
    assert_eq!(deep(&once, 60).0, at, "what comes back once is told");
    let next = |n: usize| json!({"properties": {"next": {"$ref": format!("#/components/schemas/N{}", n + 1)}}});
    let twice = |n: usize| json!({"allOf": [next(n), next(n)]});
    // The library looks at the first form, and once more for what it has left over.
    let again = |n: usize| json!({"anyOf": [next(n)], "unevaluatedProperties": false});
    for level in [&twice as &dyn Fn(usize) -> Value, &again] {
        let chain = (0..60).map(|n| (format!("N{n}"), level(n))).collect();
        let chain = operation(json!({"$ref": "#/components/schemas/N0"}), json!([]), Value::Object(chain));
        assert_eq!(body(&chain, &("{\"next\":".repeat(60) + "{}" + &"}".repeat(60))), "unjudged");
    }
}

#[test]
fn nothing_is_fetched_for_a_schema() {
    for outside in ["http://127.0.0.1:1/x.json#/a", "file:///etc/passwd", "other.json", "#/nowhere"] {
        assert_eq!(of_schema(json!({"$ref": outside}), "5"), "unjudged", "{outside}");
    }
}

#[test]
fn a_body_is_of_a_type_that_the_document_knows() {
    let operation = operation(json!({"type": "integer"}), json!([]), json!({}));
    let before = |request: TestRequest| told(operation.before_body(&request.to_http_request(), "/things/1", ""));
    let of = |kind: &'static str| post().insert_header(("content-type", kind));
    assert_eq!(before(of("application/json; charset=utf-8")), "valid");
    assert_eq!(before(of("text/csv")), "415 unsupported_media_type");
    assert_eq!(before(post()), "415 unsupported_media_type");
    for (kind, coding, said) in [
        ("application/json", "identity", "valid"),
        ("application/json", "", "valid"),
        ("application/json", "Identity, identity", "valid"),
        ("application/json", "gzip", "415 unsupported_media_type"),
        ("application/json", "identity, br", "415 unsupported_media_type"),
        ("text/plain", "gzip", "valid"),
    ] {
        assert_eq!(before(of(kind).insert_header(("content-encoding", coding))), said, "{kind} {coding:?}");
    }
    for (kind, coding, codings) in [("application/json", "gzip", Some("identity")), ("text/csv", "identity", None)] {
        let request = of(kind).insert_header(("content-encoding", coding)).to_http_request();
        let Verdict::Wrong(refused) = operation.before_body(&request, "/things/1", "") else { panic!("{kind}") };
        let answer = refused.response(&Context::current());
        let told = answer.headers().get("accept-encoding").map(|codings| codings.to_str().unwrap());
        assert_eq!(told, codings, "{kind} {coding}");
    }
    let none = TestRequest::post().insert_header(("content-encoding", "gzip"));
    assert_eq!(before(none), "valid", "there is no body");
    let whole =
        |request: TestRequest, text: &str| told(operation.whole(&request.to_http_request(), Some(text.as_bytes())));
    assert_eq!(whole(of("text/plain"), "anything"), "unjudged");
    assert_eq!(whole(TestRequest::post(), ""), "400 malformed_body", "it is required");
}

/// What is said of a request with this path, query and header.
fn parameters(list: Value, id: &str, query: &str, header: Option<(&'static str, &'static str)>) -> String {
    let operation = operation(json!({}), list, json!({"Page": {"type": "integer", "minimum": 1}}));
    let mut request = post().insert_header(("content-type", "application/json"));
    if let Some(header) = header {
        request = request.append_header(header);
    }
    told(operation.before_body(&request.to_http_request(), &format!("/things/{id}"), query))
}

#[test]
fn parameters_in_the_query_are_read_in_every_style() {
    let integers = json!({"type": "array", "items": {"type": "integer"}, "maxItems": 2});
    let range = json!({"type": "object", "required": ["from"], "additionalProperties": false,
        "properties": {"from": {"type": "integer"}, "up": {"type": "boolean"}}});
    let parameter = |more: Value| {
        let mut parameter = json!({"name": "p", "in": "query"});
        parameter.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([parameter])
    };
    let page = json!({"schema": {"$ref": "#/components/schemas/Page"}});
    let either = json!({"schema": {"anyOf": [{"type": "integer", "maximum": 9}, {"type": "string", "pattern": "^1"}]}});
    let list = |style: &str, explode: bool| json!({"style": style, "explode": explode, "schema": integers});
    let object = |style: &str, explode: bool| json!({"style": style, "explode": explode, "schema": range});
    for (more, query, said) in [
        (page.clone(), "", "valid"),
        (page.clone(), "p=1&q=x", "valid"),
        (page.clone(), "p=0", "422 ?p range"),
        (page.clone(), "p=x", "400 ?p integer"),
        (page.clone(), "p=", "400 ?p integer"),
        (page.clone(), "p=1.5", "400 ?p integer"),
        (page.clone(), "p=1&p=2", "400 ?p repeated"),
        (page, "p=%ff", "400 ?p integer"),
        (json!({"required": true, "schema": {"type": "string"}}), "q=1", "422 ?p required"),
        (json!({"allowEmptyValue": true, "schema": {"type": "integer"}}), "p", "valid"),
        (json!({"schema": {"type": "boolean"}}), "p=true", "valid"),
        (json!({"schema": {"type": "boolean"}}), "p=yes", "400 ?p boolean"),
        (json!({"schema": {"type": "number"}}), "p=1e3", "valid"),
        (json!({"schema": {"type": "number"}}), "p=inf", "400 ?p number"),
        (json!({"schema": {"type": "string", "enum": ["a b"]}}), "p=a+b", "valid"),
        (json!({"schema": {"type": "string", "enum": ["a b"]}}), "p=a%2Bb", "422 ?p one_of"),
        (either.clone(), "p=5", "valid"),
        (either.clone(), "p=12", "valid"),
        (either, "p=22", "422"),
        (json!({"schema": integers}), "p=1&p=2", "valid"),
        (json!({"schema": integers}), "p=1&p=2&p=3", "422 ?p max_items"),
        (json!({"schema": integers}), "p=1&p=x", "400 ?p integer"),
        (list("form", false), "p=1,2", "valid"),
        (list("form", false), "p=1%2C2", "400 ?p integer"),
        (list("form", false), "p=1,2,3", "422 ?p max_items"),
        (list("spaceDelimited", false), "p=1%202", "valid"),
        (list("spaceDelimited", false), "p=1+2+3", "422 ?p max_items"),
        (list("pipeDelimited", false), "p=1|2", "valid"),
        (list("pipeDelimited", false), "p=1%7C2%7c3", "422 ?p max_items"),
        (object("deepObject", true), "p[from]=1&p[up]=true", "valid"),
        (object("deepObject", true), "p%5Bfrom%5D=x", "400 ?p type"),
        (object("deepObject", true), "p[up]=true", "422 ?p required"),
        (object("deepObject", true), "p[from]=1&p[x]=1", "422 ?p unknown_field"),
        (object("form", true), "from=1&up=false&other=1", "valid"),
        (object("form", true), "up=false", "422 ?p required"),
        (object("form", false), "p=from,1,up,true", "valid"),
        (object("form", false), "p=from,1,up", "400 ?p type"),
        (json!({"content": {"application/json": {"schema": range}}}), "p={%22from%22:1}", "valid"),
        (json!({"content": {"application/json": {"schema": range}}}), "p={%22from%22:%22x%22}", "400 ?p type"),
        (json!({"content": {"application/json": {"schema": range}}}), "p={", "400 ?p type"),
    ] {
        let found = parameters(parameter(more.clone()), "1", query, None);
        assert!(found == said || (said == "422" && found.starts_with("422 ")), "{more} {query}: {found}");
    }
}

#[test]
fn parameters_in_path_and_headers_too() {
    let id = json!([{"name": "id", "in": "path", "required": true, "schema": {"type": "integer", "minimum": 1}}]);
    assert_eq!(parameters(id.clone(), "7", "", None), "valid");
    for nothing in ["x", "0", "", "1.5", "%ff"] {
        assert_eq!(parameters(id.clone(), nothing, "", None), "404 not_found", "{nothing}");
    }
    let encoded = json!([{"name": "id", "in": "path", "required": true, "schema": {"type": "string", "maxLength": 1}}]);
    assert_eq!(parameters(encoded, "%C3%A9", "", None), "valid");
    let header = |schema: Value| json!([{"name": "X-Tenant", "in": "header", "required": true, "schema": schema}]);
    let uuid = header(json!({"type": "string", "format": "uuid"}));
    assert_eq!(parameters(uuid.clone(), "1", "", None), "422 X-Tenant: required");
    assert_eq!(parameters(uuid.clone(), "1", "", Some(("x-tenant", "7"))), "422 X-Tenant: format");
    assert_eq!(parameters(uuid, "1", "", Some(("x-tenant", "01936f6a-02b4-7d19-b1c8-9e7f5a3d4c55"))), "valid");
    let list = header(json!({"type": "array", "items": {"type": "integer"}}));
    assert_eq!(parameters(list.clone(), "1", "", Some(("x-tenant", "1, 2"))), "valid");
    assert_eq!(parameters(list, "1", "", Some(("x-tenant", "1, x"))), "422 X-Tenant: integer");
    for made_here in ["Authorization", "X-Request-Id", "X-Forwarded-For", "Content-Type"] {
        let list = json!([{"name": made_here, "in": "header", "required": true, "schema": {"type": "integer"}}]);
        assert_eq!(parameters(list, "1", "", None), "valid", "{made_here} is not the client's to send");
    }
}
