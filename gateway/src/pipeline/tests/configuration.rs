//! What a running gateway says of its configuration.

use serde_json::Value;
use shared::config::Secret;

use super::harness::*;
use crate::config::diff::{Side, describe};

#[tokio::test]
async fn the_configuration_in_force_is_shown_without_its_secrets_and_can_be_compared() {
    let gate = Gate::start(dead().await, "breaker.probes = 7").await;
    let admin = format!("http://{}", gate.admin);
    let shown = within(gate.client.get(format!("{admin}/admin/api/config")).send()).await.unwrap();
    let text = shown.text().await.unwrap();
    assert!(!text.contains(SECRET));
    let shown: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&shown["data"]["breaker"]["probes"], &shown["data"]["identity"]["secret"]), (&7.into(), &"***".into()));

    let running = within(Side::running(&admin, &Secret::from(String::new()))).await.unwrap();
    let defaults = Side::read(None, &[]).unwrap();
    let told = describe(&running, &defaults);
    assert!(told.contains("~ breaker.probes: 7 -> 3\n") && told.contains("- upstreams \"raw\": {"), "{told}");
    assert!(!told.contains(SECRET));
    assert_eq!(describe(&running, &running), "nothing would change\n");
    let public = within(Side::running(&format!("http://{}", gate.addr), &Secret::from(String::new()))).await;
    assert!(public.unwrap_err().to_string().contains("404"), "clients see none of it");
}
