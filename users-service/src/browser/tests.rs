//! A browser signs in by cookie and out again, and nothing else opens with what it holds.

mod carried;
mod doors;
mod pages;

use reqwest::Method;
use serde_json::json;

use crate::testing::{Answer, PASSWORD, Person, Running};

const SESSION: &str = "/api/v1/auth/session";
const REFRESH: &str = "/api/v1/auth/session/refresh";
const ACCESS: &str = "__Host-tollgate";

/// A browser's cookies of ours.
#[derive(Clone, Debug)]
struct Jar {
    access: String,
    refresh: String,
}

impl Jar {
    /// What an answer sets.
    fn of(answer: &Answer) -> Self {
        let value = |name: &str| {
            let lines = answer.cookies();
            let line = lines.iter().find_map(|line| line.strip_prefix(&format!("{name}="))).unwrap();
            line.split(';').next().unwrap().to_owned()
        };
        Self { access: value(ACCESS), refresh: value("__Host-tollgate-refresh") }
    }

    fn line(&self) -> String {
        format!("theme=dark; {ACCESS}={}; {ACCESS}-refresh={}", self.access, self.refresh)
    }

    fn person(&self, email: &str) -> Person {
        Person::with(email, &self.access, self.refresh.clone())
    }
}

async fn sign_in(service: &Running, username: &str, password: &str) -> Answer {
    let body = json!({"username": username, "password": password});
    service.call(Method::POST, SESSION).json(&body).send().await
}

/// Registers somebody whose name is `name`, and signs them in by cookie.
async fn newcomer(service: &Running, name: &str) -> Jar {
    let email = format!("{name}@example.org");
    service.register(&json!({"email": email, "username": name, "password": PASSWORD})).await.expect(201);
    Jar::of(&sign_in(service, name, PASSWORD).await.expect(200))
}

async fn refresh(service: &Running, cookies: &str) -> Answer {
    service.call(Method::POST, REFRESH).header("cookie", cookies).send().await
}

async fn sign_out(service: &Running, cookies: &str) -> Answer {
    service.call(Method::DELETE, SESSION).header("cookie", cookies).send().await
}
