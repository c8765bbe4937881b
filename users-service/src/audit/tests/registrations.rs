//! Registering where it is not disclosed who is registered: the same work whether the address is free or taken.

use serde_json::json;

use super::*;
use crate::testing::{Backend, PASSWORD, Setup, on_both};

on_both! { a_registration_writes_as_much_whoever_is_registered, }

async fn a_registration_writes_as_much_whoever_is_registered(backend: Backend) {
    let service = Setup::on(backend).set("registration.disclose_existing", "false").start().await;
    let before = events_of(&service.ground).await.len();
    let (free, email, name) = ("adalovelace", "ada@example.org", "charlesbabbage");
    for (email, username) in [(email, free), (email, name), ("bab@example.org", free)] {
        let body = json!({"email": email, "username": username, "password": PASSWORD});
        service.register(&body).await.expect(202);
    }
    let written = events_of(&service.ground).await.split_off(before);
    let kinds: Vec<_> = written.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["user.registered", "user.registration_declined", "user.registration_declined"]);
    let sizes = written.iter().map(|event| detail(event).to_string().len());
    assert_eq!(sizes.collect::<std::collections::HashSet<_>>().len(), 1, "{written:#?}");
    assert!(written[1..].iter().all(|event| event.subject_id.is_none()), "nobody learns whose it is");
    assert!(!format!("{written:?}").contains("example.org"));
    service.stop().await;
}
