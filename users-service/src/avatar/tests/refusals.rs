//! What is no image, another one than it says, or too large: refused before it costs anything.

use super::*;
use crate::avatar::model::Kind;
use crate::avatar::picture::{look, shrink};
use crate::avatar::tests::pictures::{jpeg_of, png_of, png_with_profile, webp_of_all};

on_both! {
    what_is_no_image_is_refused,
    a_bomb_of_an_image_is_refused_in_constant_memory,
}

async fn what_is_no_image_is_refused(backend: Backend) {
    let service = Setup::on(backend).set("avatars.max_bytes", "50000").start().await;
    let ada = service.person("adalovelace").await;
    let image = png(&halves(30, 30));
    let gif = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
    for (kind, body) in [
        ("text/plain", image.as_slice()),
        ("application/json", image.as_slice()),
        ("image/jpeg", image.as_slice()),
        ("image/webp", image.as_slice()),
        ("image/svg+xml", b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>"),
        ("image/gif", gif),
        ("image/png", gif),
        ("image/png", b""),
        ("image/png", b"{\"x\": 1}"),
        ("image/*", image.as_slice()),
    ] {
        put(&service, &ada, kind, body).await.expect_problem(415, "unsupported_media_type");
    }
    let coded = service.call(Method::PUT, MINE).by(&ada).header("content-encoding", "gzip").bytes("image/png", &image);
    coded.send().await.expect_problem(415, "unsupported_media_type");
    let untyped = service.call(Method::PUT, MINE).by(&ada).send().await;
    untyped.expect_problem(415, "unsupported_media_type");
    put(&service, &ada, "image/png", &[image.clone(), vec![0; 50_000]].concat())
        .await
        .expect_problem(413, "body_too_large");
    // As large as it may be; what follows an image does no harm, and is gone.
    let mut padded = image.clone();
    padded.resize(50_000, 0);
    assert!(shown(&service, &ada, "image/png", &padded).await.bytes.len() < 5_000);
    for (kind, start) in
        [("image/png", &image[..20]), ("image/png", &image[..8]), ("image/jpeg", &jpeg(&halves(8, 8))[..40])]
    {
        let answer = put(&service, &ada, kind, start).await.expect_problem(422, "validation_failed");
        assert_eq!(answer.text("/errors/0/code"), "image", "{kind}");
    }
    let takes_none = service.call(Method::PUT, MINE).by(&ada).header("accept", "image/png").bytes("image/png", &image);
    takes_none.send().await.expect_problem(406, "not_acceptable");
    service.stop().await;
}

/// Peak memory of this process so far, in KiB; nothing where the system does not say.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok())
}

/// DECISIONS 58: what a colour profile unpacks to is not held beside the pixels. (80 MiB that come as 500 KB; without a bound of
/// its own it would be as much as the pixels may take, 320 MB.)
#[test]
fn a_colour_profile_takes_no_memory_to_speak_of() {
    const UNPACKED: usize = 80 * 1024 * 1024;
    let small = png_with_profile(1_000);
    shrink(Kind::Png, &small, 40_000_000).unwrap();
    let bomb = png_with_profile(UNPACKED);
    assert!(bomb.len() < 600_000, "{}", bomb.len());
    let before = peak();
    assert!(look(Kind::Png, &bomb, 40_000_000).is_ok(), "nobody is refused for a profile, which is left out");
    shrink(Kind::Png, &bomb, 40_000_000).unwrap();
    if let (Some(before), Some(after)) = (before, peak()) {
        let grown = (after - before) * 1024;
        assert!(grown < UNPACKED as u64 / 2, "{grown} bytes more");
    }
}

async fn a_bomb_of_an_image_is_refused_in_constant_memory(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    drop(shown(&service, &ada, "image/png", &png(&halves(600, 600))).await);
    let before = peak();
    for (kind, bomb) in [
        ("image/png", png_of(50_000, 50_000)),
        ("image/png", png_of(u32::MAX >> 1, u32::MAX >> 1)),
        ("image/png", png_of(10_001, 1)),
        ("image/png", png_of(1, 2_000_000_000)),
        ("image/png", png_of(9_000, 9_000)),
        ("image/jpeg", jpeg_of(65_500, 65_500)),
        ("image/jpeg", jpeg_of(6_400, 6_400)),
        ("image/webp", webp_of_all()),
    ] {
        assert!(bomb.len() < 2_000, "it does not look like one");
        for _ in 0..5 {
            let answer = put(&service, &ada, kind, &bomb).await.expect_problem(422, "validation_failed");
            // Some are so large that their decoder takes them for broken.
            let code = answer.text("/errors/0/code");
            assert!(code == "dimensions" || (code == "image" && kind == "image/webp"), "{kind} {code}");
        }
    }
    for none in [png_of(0, 0), png_of(0, 5)] {
        put(&service, &ada, "image/png", &none).await.expect_problem(422, "validation_failed");
    }
    if let (Some(before), Some(after)) = (before, peak()) {
        assert!(after - before < 32 * 1024, "{} KiB more: the least of them would take 120 MB", after - before);
    }
    get(&service, &ada, MINE).await.expect(200);
    service.stop().await;
}
