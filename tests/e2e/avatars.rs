//! Avatars through the gateway: binary bodies pass the edge, however large, and answers keep what the service says of them.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;
use serde_json::json;
use tests::{Answer, Backend, Client, Stack, wait_until};

journeys!(an_image_goes_in_and_comes_out_small, what_is_no_image_or_too_large_is_refused,);

const MINE: &str = "/api/v1/users/me/avatar";

/// A PNG of 3 by 2 pixels, red and blue (made by Python's zlib and struct).
const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAEUlEQVR4nGP4z8AARCACzgIAPdYF+9fvWvgAAAAASUVORK5CYII=";

fn png() -> Vec<u8> {
    BASE64_STANDARD.decode(PNG).expect("base64")
}

async fn put(client: &Client, kind: &str, body: Vec<u8>) -> Answer {
    client.call(Method::PUT, MINE).body(kind, body).send().await
}

async fn an_image_goes_in_and_comes_out_small(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (ann, bob) = (stack.register("ann").await, stack.register("bob").await);
    // What follows the image is no part of it: as much as may be sent.
    let mut padded = png();
    padded.resize(5_242_880, 0);
    for body in [png(), padded] {
        let taken = put(&ann.client, "image/png", body).await.expect(202);
        assert_eq!(taken.json(), json!({"status": "processing"}));
        let own = wait_until("the avatar is there", Duration::from_secs(10), async || {
            Some(ann.client.get(MINE).await).filter(|answer| answer.status != 202)
        });
        let own = own.await.expect(200);
        assert_eq!((own.must("content-type"), own.must("cache-control")), ("image/jpeg", "private, no-cache"));
        assert!(own.body.starts_with(&[0xff, 0xd8]) && own.body.len() < 5_000);
        for version in ["v1", "v2"] {
            let path = format!("/api/{version}/users/{}/avatar?size=thumb", ann.id);
            let seen = bob.client.get(&path).await.expect(200);
            assert_eq!(seen.must("content-type"), "image/jpeg");
            let again = bob.client.call(Method::GET, &path).header("if-none-match", seen.must("etag")).send().await;
            assert!(again.expect(304).body.is_empty());
            stack.client().get(&path).await.problem(401, "token_required");
        }
    }
    ann.client.get(&format!("{MINE}?size=huge")).await.problem(422, "validation_failed");
    bob.client.get(MINE).await.problem(404, "not_found");
    drop(ann.client.delete(MINE).await.expect(204));
    bob.client.get(&format!("/api/v1/users/{}/avatar", ann.id)).await.problem(404, "not_found");
}

async fn what_is_no_image_or_too_large_is_refused(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await;
    put(&ann.client, "application/json", b"{\"x\": 1}".to_vec()).await.problem(415, "unsupported_media_type");
    put(&ann.client, "image/jpeg", png()).await.problem(415, "unsupported_media_type");
    put(&ann.client, "image/png", png()[..20].to_vec()).await.problem(422, "validation_failed");
    // By the service, and by the edge.
    for size in [5_242_881, 6_000_000] {
        let mut body = png();
        body.resize(size, 0);
        put(&ann.client, "image/png", body).await.problem(413, "body_too_large");
    }
    ann.client.get(MINE).await.problem(404, "not_found");
}
