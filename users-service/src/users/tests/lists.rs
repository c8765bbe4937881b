//! Lists: filters, order, pages, and cursors while rows are written.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::testing::{Backend, PASSWORD, Person, Running, Setup, on_both};

on_both! {
    pages_filters_and_order_are_the_contracts,
    a_cursor_neither_skips_nor_repeats_while_people_register,
}

async fn list(service: &Running, by: &Person, query: &str) -> Value {
    service.call(Method::GET, &format!("/api/{query}")).by(by).send().await.expect(200).json()
}

fn names(page: &Value) -> Vec<String> {
    page["data"].as_array().unwrap().iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect()
}

async fn pages_filters_and_order_are_the_contracts(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let admin = service.administrator().await;
    for name in ["dora", "Carl", "b_b", "anna"] {
        service.clock.advance(std::time::Duration::from_secs(1));
        service.person(name).await;
    }
    let page = list(&service, &admin, "v1/users?page=2&per_page=2&sort_by=username&sort_order=asc").await;
    assert_eq!(names(&page), ["Carl", "dora"]);
    assert_eq!(page["meta"], json!({"total": 5, "page": 2, "per_page": 2, "pages": 3, "has_more": true}));
    assert_eq!(page["links"]["next"], "/api/v1/users?sort_by=username&sort_order=asc&page=3&per_page=2");
    assert_eq!(names(&list(&service, &admin, "v1/users?skip=1&limit=2").await), ["b_b", "Carl"], "newest first");
    assert_eq!(names(&list(&service, &admin, "v1/users?q=B_B").await), ["b_b"]);
    assert_eq!(names(&list(&service, &admin, "v1/users?q=%25").await), Vec::<String>::new());
    assert_eq!(names(&list(&service, &admin, "v1/users?role=admin").await), ["root"]);
    let carl = list(&service, &admin, "v1/users?q=carl").await["data"][0]["id"].as_str().unwrap().to_owned();
    service.call(Method::POST, &format!("/api/v1/users/{carl}/disable")).by(&admin).send().await.expect(200);
    assert_eq!(names(&list(&service, &admin, "v1/users?status=disabled").await), ["Carl"]);
    service.call(Method::DELETE, &format!("/api/v1/users/{carl}")).by(&admin).send().await.expect(204);
    assert_eq!(list(&service, &admin, "v1/users").await["meta"]["total"], 4);
    assert_eq!(names(&list(&service, &admin, "v2/users?status=deleted").await), ["Carl"]);

    let link = service.call(Method::GET, "/api/v1/users?per_page=1").by(&admin).send().await.header("link");
    assert!(link.contains("</api/v1/users?page=2&per_page=1>; rel=\"next\""), "{link}");
    let refused = |query: &str| service.call(Method::GET, &format!("/api/{query}")).by(&admin).send();
    refused("v1/users?per_page=0").await.expect_problem(422, "validation_failed");
    refused("v1/users?sort_by=password_hash").await.expect_problem(422, "validation_failed");
    refused("v1/users?colour=red").await.expect_problem(422, "validation_failed");
    refused("v1/users?page=x").await.expect_problem(400, "malformed_query");
    refused("v2/users?cursor=zz").await.expect_problem(400, "invalid_cursor");
    let anna = service.sign_in("anna@example.org").await;
    service.call(Method::GET, "/api/v1/users").by(&anna).send().await.expect_problem(403, "forbidden");
    service.stop().await;
}

async fn a_cursor_neither_skips_nor_repeats_while_people_register(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let admin = service.administrator().await;
    let register = |i: usize| {
        let body =
            json!({"email": format!("p{i}@example.org"), "username": format!("person{i}"), "password": PASSWORD});
        let service = &service;
        async move { service.register(&body).await.expect(201).text("/username") }
    };
    let registering = join_all((0..40).map(register));
    let reading = async {
        let (mut seen, mut cursor, mut quiet) = (Vec::new(), String::new(), 0);
        // To the end of the list, again and again from where it ended, until a whole round after all had registered.
        while quiet < 2 {
            let page = list(&service, &admin, &format!("v2/users?limit=3{cursor}")).await;
            let more = page["page"]["has_more"].as_bool().unwrap();
            if more {
                seen.extend(names(&page));
                cursor = format!("&cursor={}", page["page"]["next_cursor"].as_str().unwrap());
            } else if seen.len() + names(&page).len() == 41 {
                quiet += 1;
                if quiet == 2 {
                    seen.extend(names(&page));
                }
            }
        }
        seen
    };
    let (registered, mut seen) = futures_util::future::join(registering, reading).await;
    let mut all = registered;
    all.push("root".to_owned());
    all.sort();
    seen.sort();
    assert_eq!(seen, all);
    service.stop().await;
}
