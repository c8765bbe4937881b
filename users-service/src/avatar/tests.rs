//! Avatars through the service: what is taken, what is shown, and what is left of it.

mod pictures;
mod races;
mod refusals;

use image::GenericImageView;
use reqwest::Method;
use serde_json::json;

use self::pictures::{Canvas, halves, jpeg, png, webp, with_exif};
use crate::testing::{Answer, Backend, Person, Running, Setup, on_both};

on_both! {
    an_image_is_shown_in_three_sizes,
    exif_is_gone,
    what_can_be_seen_through_stays_so,
    a_new_image_takes_the_place_of_the_old_when_it_is_ready,
    what_cannot_be_read_after_all_has_failed,
    who_is_gone_is_not_shown,
    each_change_is_recorded,
}

const MINE: &str = "/api/v1/users/me/avatar";

async fn put(service: &Running, person: &Person, kind: &'static str, image: &[u8]) -> Answer {
    service.call(Method::PUT, MINE).by(person).bytes(kind, image).send().await
}

async fn get(service: &Running, person: &Person, path: &str) -> Answer {
    service.call(Method::GET, path).by(person).send().await
}

/// What its owner is answered once nothing is being worked on.
async fn settled(service: &Running, person: &Person) -> Answer {
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
    for _ in 0..1_000 {
        let answer = get(service, person, MINE).await;
        if answer.status != 202 {
            return answer;
        }
        assert_eq!(answer.json(), json!({"status": "processing"}));
        ticks.tick().await;
    }
    panic!("an avatar was not made within twenty seconds");
}

/// Sends an image and waits until it is shown.
async fn shown(service: &Running, person: &Person, kind: &'static str, image: &[u8]) -> Answer {
    let taken = put(service, person, kind, image).await.expect(202);
    assert_eq!((taken.json(), taken.header("cache-control")), (json!({"status": "processing"}), "no-store".to_owned()));
    settled(service, person).await.expect(200)
}

async fn an_image_is_shown_in_three_sizes(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, grace) = (service.person("adalovelace").await, service.person("gracehopper").await);
    let theirs = format!("/api/v1/users/{}/avatar", ada.id);
    get(&service, &ada, MINE).await.expect_problem(404, "not_found");
    get(&service, &grace, &theirs).await.expect_problem(404, "not_found");
    for (kind, image) in [
        ("image/png", png(&halves(900, 600))),
        ("image/jpeg", jpeg(&halves(600, 900))),
        ("image/webp", webp(&halves(900, 600))),
        ("IMAGE/PNG", png(&halves(900, 600))),
    ] {
        let large = shown(&service, &ada, kind, &image).await;
        assert_eq!(
            (large.header("content-type"), large.header("cache-control")),
            ("image/jpeg".into(), "private, no-cache".into())
        );
        for (size, side) in [("thumb", 64), ("medium", 256), ("large", 512)] {
            let answer = get(&service, &grace, &format!("{theirs}?size={size}")).await.expect(200);
            let image = image::load_from_memory(&answer.bytes).unwrap();
            assert_eq!(image.dimensions(), (side, side), "{kind}");
            assert_eq!(answer.bytes == large.bytes, size == "large", "large is what one gets unasked");
        }
        let again = service.call(Method::GET, MINE).by(&ada).header("if-none-match", large.header("etag")).send().await;
        assert_eq!(
            (again.expect(304).header("etag"), get(&service, &ada, &format!("{MINE}?size=large")).await.bytes),
            (large.header("etag"), large.bytes)
        );
    }
    let tag = get(&service, &ada, &format!("{MINE}?size=thumb")).await.header("etag");
    assert_ne!(tag, get(&service, &ada, MINE).await.header("etag"), "each size has its own");
    let head = service.call(Method::HEAD, &theirs).by(&grace).send().await.expect(200);
    assert!(head.bytes.is_empty() && head.header("etag").ends_with("-large\""));
    // Never larger than it was.
    drop(shown(&service, &ada, "image/png", &png(&halves(100, 40))).await);
    for (size, side) in [("thumb", 40), ("medium", 40), ("large", 40)] {
        let answer = get(&service, &grace, &format!("{theirs}?size={size}")).await.expect(200);
        assert_eq!(image::load_from_memory(&answer.bytes).unwrap().dimensions(), (side, side));
    }
    for query in ["size=huge", "size=", "size=thumb&x=1"] {
        get(&service, &ada, &format!("{MINE}?{query}")).await.expect_problem(422, "validation_failed");
        get(&service, &grace, &format!("{theirs}?{query}")).await.expect_problem(422, "validation_failed");
    }
    service.call(Method::GET, &theirs).send().await.expect_problem(401, "token_required");
    service.call(Method::PUT, MINE).bytes("image/png", &[]).send().await.expect_problem(401, "token_required");
    get(&service, &grace, "/api/v1/users/7/avatar").await.expect_problem(404, "not_found");
    service.call(Method::PUT, &theirs).by(&grace).send().await.expect_problem(405, "method_not_allowed");
    service.call(Method::DELETE, MINE).by(&ada).send().await.expect(204);
    service.call(Method::DELETE, MINE).by(&ada).send().await.expect(204);
    get(&service, &ada, MINE).await.expect_problem(404, "not_found");
    service.stop().await;
}

async fn exif_is_gone(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let secret = b"51.4779 N, 0.0015 W";
    for (kind, format) in [("image/jpeg", Canvas::Jpeg), ("image/png", Canvas::Png), ("image/webp", Canvas::Webp)] {
        // Red on the left; its camera was turned, and red is meant to be on top.
        let image = with_exif(&halves(400, 300), format, secret);
        let holds = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
        assert!(holds(&image, secret), "{kind}");
        let answer = shown(&service, &ada, kind, &image).await;
        assert!(!holds(&answer.bytes, secret) && !holds(&answer.bytes, b"Exif"), "{kind}");
        let small = image::load_from_memory(&answer.bytes).unwrap().into_rgb8();
        let (top, bottom) = (small.get_pixel(150, 20).0, small.get_pixel(150, 280).0);
        assert!(top[0] > 200 && top[2] < 60 && bottom[2] > 200 && bottom[0] < 60, "{kind} {top:?} {bottom:?}");
        assert_eq!(service.ground.count("SELECT count(*) FROM avatars WHERE original IS NOT NULL").await, 0);
    }
    service.stop().await;
}

async fn what_can_be_seen_through_stays_so(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let clear = image::RgbaImage::from_fn(80, 80, |x, _| image::Rgba([255, 0, 0, if x < 40 { 0 } else { 255 }]));
    let answer = shown(&service, &ada, "image/png", &png(&clear.into())).await;
    assert_eq!(answer.header("content-type"), "image/png");
    let image = image::load_from_memory(&answer.bytes).unwrap().into_rgba8();
    assert_eq!((image.get_pixel(2, 2).0[3], image.get_pixel(77, 2).0), (0, [255, 0, 0, 255]));
    let opaque = image::RgbaImage::from_pixel(80, 80, image::Rgba([0, 0, 255, 255]));
    assert_eq!(shown(&service, &ada, "image/webp", &webp(&opaque.into())).await.header("content-type"), "image/jpeg");
    let grey = image::GrayImage::from_pixel(70, 80, image::Luma([128]));
    drop(shown(&service, &ada, "image/png", &png(&grey.into())).await);
    let deep = image::ImageBuffer::from_pixel(70, 80, image::Rgba([65_535_u16, 0, 0, 30_000]));
    drop(shown(&service, &ada, "image/png", &png(&deep.into())).await);
    let one = image::RgbImage::from_pixel(1, 1, image::Rgb([1, 2, 3]));
    let answer = shown(&service, &ada, "image/png", &png(&one.into())).await;
    assert_eq!(image::load_from_memory(&answer.bytes).unwrap().dimensions(), (1, 1));
    service.stop().await;
}

async fn a_new_image_takes_the_place_of_the_old_when_it_is_ready(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, grace) = (service.person("adalovelace").await, service.person("gracehopper").await);
    let theirs = format!("/api/v1/users/{}/avatar", ada.id);
    let first = shown(&service, &ada, "image/png", &png(&halves(30, 30))).await.header("etag");
    // Another process has taken the next one, and is slow.
    let held = service.ground.held_avatar(&ada, &png(&halves(40, 40))).await;
    get(&service, &ada, MINE).await.expect(202);
    assert_eq!(get(&service, &grace, &theirs).await.expect(200).header("etag"), first);
    let stale = service.call(Method::DELETE, MINE).by(&ada).header("if-match", "\"x\"").send().await;
    stale.expect_problem(412, "stale_precondition");
    let put = service.call(Method::PUT, MINE).by(&ada).header("if-match", first.clone());
    put.bytes("image/png", &png(&halves(50, 50))).send().await.expect(202);
    let second = settled(&service, &ada).await.expect(200);
    assert_eq!(image::load_from_memory(&second.bytes).unwrap().width(), 50);
    assert!(!held.finish(&service.ground, &png(&halves(40, 40))).await, "the last that was sent is shown");
    assert_eq!(get(&service, &grace, &theirs).await.bytes, second.bytes);
    let stale = service.call(Method::PUT, MINE).by(&ada).header("if-match", first);
    stale.bytes("image/png", &png(&halves(50, 50))).send().await.expect_problem(412, "stale_precondition");
    service.stop().await;
}

async fn what_cannot_be_read_after_all_has_failed(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, grace) = (service.person("adalovelace").await, service.person("gracehopper").await);
    let whole = png(&halves(300, 300));
    let broken = &whole[..whole.len() / 2];
    put(&service, &ada, "image/png", broken).await.expect(202);
    let answer = settled(&service, &ada).await.expect_problem(404, "not_found");
    assert!(answer.text("/detail").contains("could not be read"), "its owner is told");
    let theirs = format!("/api/v1/users/{}/avatar", ada.id);
    let answer = get(&service, &grace, &theirs).await.expect_problem(404, "not_found");
    assert!(!answer.text("/detail").contains("could not be read"), "and nobody else");
    let first = shown(&service, &ada, "image/png", &whole).await;
    put(&service, &ada, "image/png", broken).await.expect(202);
    assert_eq!(settled(&service, &ada).await.expect(200).bytes, first.bytes, "what was shown stays");
    service.until_count("SELECT count(*) FROM avatars WHERE status = 'failed' AND original IS NULL", 1).await;
    service.stop().await;
}

async fn who_is_gone_is_not_shown(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let admin = service.administrator().await;
    let (ada, grace) = (service.person("adalovelace").await, service.person("gracehopper").await);
    let theirs = format!("/api/v1/users/{}/avatar", ada.id);
    drop(shown(&service, &ada, "image/png", &png(&halves(30, 30))).await);
    let act = async |method: Method, what: &str, status: u16| {
        let path = format!("/api/v1/users/{}{what}", ada.id);
        service.call(method, &path).by(&admin).send().await.expect(status);
    };
    for (method, away, back) in [(Method::POST, "/disable", "/enable"), (Method::DELETE, "", "/restore")] {
        act(method.clone(), away, if method == Method::POST { 200 } else { 204 }).await;
        for who in [&grace, &admin] {
            get(&service, who, &theirs).await.expect_problem(404, "not_found");
        }
        // With a token of before that.
        put(&service, &ada, "image/png", &png(&halves(30, 30))).await.expect_problem(404, "not_found");
        get(&service, &ada, MINE).await.expect_problem(404, "not_found");
        act(Method::POST, back, 200).await;
        get(&service, &grace, &theirs).await.expect(200);
    }
    act(Method::DELETE, "", 204).await;
    service.clock.advance(std::time::Duration::from_secs(31 * 86_400));
    let clock = service.clock.clone();
    let ground = service.halt().await;
    let service = Setup::on(backend).at(clock).start_on(ground).await;
    service.until_count("SELECT count(*) FROM avatars", 0).await;
    service.stop().await;
}

async fn each_change_is_recorded(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    drop(shown(&service, &ada, "image/png", &png(&halves(30, 30))).await);
    for _ in 0..2 {
        service.call(Method::DELETE, MINE).by(&ada).send().await.expect(204);
    }
    let changed = "SELECT count(*) FROM audit_events WHERE kind = 'user.changed' AND detail LIKE '%[\"avatar\"]%'";
    service.until_count(changed, 2).await;
    service.stop().await;
}
