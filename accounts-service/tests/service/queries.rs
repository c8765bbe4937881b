//! A parameter that an operation lacks is refused, also where there are none: whoever sends it means something by it.

use std::rc::Rc;

use serde_json::{Value, json};

use crate::client::treasurer;
use crate::document::DOCUMENT;
use crate::on_both;
use crate::stack::Stack;

on_both!(a_parameter_that_an_operation_lacks_is_refused_whatever_it_does);

const ID: &str = "01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11";

async fn a_parameter_that_an_operation_lacks_is_refused_whatever_it_does(stack: Rc<Stack>) {
    let officer = treasurer();
    let mut asked = 0;
    // The key set is for anybody's library, and some of these add a parameter of their own to pass by caches.
    let paths = DOCUMENT["paths"].as_object().unwrap().iter();
    for (path, item) in paths.filter(|(path, _)| !path.starts_with("/.well-known/")) {
        for (method, operation) in item.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let has = |name: &str| parameters.clone().any(|it| it["in"] == "query" && it["name"] == name);
            let contents = operation["requestBody"]["content"].as_object().into_iter().flatten();
            let body = contents.map(|(_, content)| content["example"].to_string()).next();
            for query in ["nope", "dry_run"].into_iter().filter(|name| !has(name)) {
                let (method, path) = (method.to_uppercase(), path.replace("{id}", ID));
                let path = format!("{path}?{query}=true");
                let key = [("idempotency-key", "k")];
                let answer = stack.client.raw(&officer, &method, &path, &key, body.clone()).await.expect(422);
                let fault = &answer.json()["errors"][0];
                let told = (&fault["pointer"], &fault["code"]);
                assert_eq!(told, (&json!(format!("?{query}")), &json!("unknown_parameter")), "{method} {path}");
                asked += 1;
            }
        }
    }
    assert!(asked > 100, "every operation is asked: {asked}");
    let path = "/api/v1/accounts?dry_run=true";
    let body = json!({"name": "Never", "currency": "USD"});
    stack.client.post(&officer, path, &[], &body).await.expect(422);
    let all = stack.client.get(&officer, "/api/v1/accounts?scope=all").await.expect(200).json();
    assert_eq!(all["data"], Value::Array(Vec::new()));
    // The gateway's own word passes, and what cannot be read is no unknown parameter.
    stack.client.post(&officer, "/api/v1/accounts?version=1", &[], &body).await.expect(201);
    stack.client.post(&officer, "/api/v1/accounts?x=1&x=2", &[], &body).await.expect(400);
    // A body that is none is told first.
    stack.client.post(&officer, "/api/v1/accounts?nope=1", &[], &json!([])).await.expect(400);
}
