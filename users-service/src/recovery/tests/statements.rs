//! What asking for a link, and registering in silence, cost the database: the same statements whoever it is about.

use std::sync::Mutex;

use reqwest::Method;
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::testing::{Backend, Mood, PASSWORD, Running, Setup, SmtpServer, on_both};

on_both! {
    known_and_unknown_cost_the_same_statements,
    free_and_taken_cost_the_same_statements,
}

/// Every statement that sqlx has run. One test's alone: each runs in a process of its own.
static RUN: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Listens to what sqlx says of its statements.
struct Statements;

impl<S: Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        struct Summary(String);
        impl Visit for Summary {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                if field.name() == "summary" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        if event.metadata().target() == "sqlx::query" {
            let mut summary = Summary(String::new());
            event.record(&mut summary);
            // The relay looks for those all the time.
            if !summary.0.contains("revocations") {
                RUN.lock().unwrap().push(summary.0);
            }
        }
    }
}

/// Who has registered as `ada@example.org`, as `adaking`, where every statement is heard. The worker is kept waiting by a
/// server that says nothing, and so adds none of its own.
async fn heard(setup: Setup) -> Running {
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Statements)).unwrap();
    let server = SmtpServer::start(Mood::Hangs).await;
    let setup = setup.set("mail.transport", "smtp").set("mail.smtp_url", &server.url);
    let service = setup.set("mail.timeout", "10m").set("mail.parallel", "1").start().await;
    assert!([201, 202].contains(&service.register(&registration("ada@example.org", "adaking")).await.status));
    service.until_count("SELECT count(*) FROM mails WHERE attempts = 1", 1).await;
    service
}

fn registration(email: &str, username: &str) -> Value {
    json!({"email": email, "username": username, "password": PASSWORD})
}

async fn free_and_taken_cost_the_same_statements(backend: Backend) {
    let service = heard(Setup::on(backend).set("registration.disclose_existing", "false")).await;
    let mut costs = Vec::new();
    // The first of all warms what is prepared once.
    for kind in ["warm", "free", "email taken", "name taken"] {
        let mut shortest: Option<Vec<String>> = None;
        for i in 0..5 {
            let (email, username) = (format!("{}{i}@example.org", &kind[..4]), format!("{}{i}", &kind[..4]));
            let body = match kind {
                "email taken" => registration("ada@example.org", &username),
                "name taken" => registration(&email, "adaking"),
                _ => registration(&email, &username),
            };
            RUN.lock().unwrap().clear();
            service.register(&body).await.expect(202);
            let run = RUN.lock().unwrap().clone();
            // What goes on in the background only adds to it.
            shortest = shortest.filter(|shortest| shortest.len() <= run.len()).or(Some(run));
        }
        costs.push((kind, shortest.unwrap()));
    }
    assert!(!costs[1].1.is_empty(), "nothing was heard");
    for (kind, statements) in &costs[1..] {
        assert_eq!(statements, &costs[1].1, "{kind}");
    }
    service.stop().await;
}

async fn known_and_unknown_cost_the_same_statements(backend: Backend) {
    let service = heard(Setup::on(backend)).await;
    let mut costs = Vec::new();
    for path in ["/api/v1/auth/password/forgot", "/api/v1/auth/email/resend"] {
        // The first of all warms what is prepared once.
        for email in ["warm@example.org", "ada@example.org", "nobody@example.org"] {
            let mut shortest: Option<Vec<String>> = None;
            // What goes on in the background only adds to it; most of that is over when nothing waits.
            for _ in 0..5 {
                service.until_mails("waiting", 0).await;
                RUN.lock().unwrap().clear();
                service.call(Method::POST, path).json(&json!({"email": email})).send().await.expect(202);
                let run = RUN.lock().unwrap().clone();
                shortest = shortest.filter(|shortest| shortest.len() <= run.len()).or(Some(run));
            }
            costs.push((path, email, shortest.unwrap()));
        }
    }
    for (path, email, statements) in costs.iter().filter(|(_, email, _)| *email != "warm@example.org") {
        assert!(!statements.is_empty(), "{path}: nothing was heard");
        assert_eq!(statements, &costs[2].2, "{path} for {email}");
        assert!(statements.iter().all(|statement| !statement.contains("users")), "nobody is looked up: {statements:?}");
    }
    service.stop().await;
}
