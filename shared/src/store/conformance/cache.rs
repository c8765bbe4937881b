//! The cache: what was written is there until its time is over.

use std::time::Duration;

use bytes::Bytes;

use super::fixture::Fixture;

const TTL: Duration = Duration::from_secs(30);

pub(super) async fn a_value_lives_for_its_ttl(on: Fixture) {
    let cache = &on.stores.cache;
    cache.set("k", Bytes::from_static(b"v"), TTL).await.unwrap();
    on.clock.advance(TTL - Duration::from_micros(1));
    assert_eq!(cache.get("k").await.unwrap().as_deref(), Some(&b"v"[..]));
    on.clock.advance(Duration::from_micros(1));
    assert_eq!(cache.get("k").await.unwrap(), None);
    cache.set("gone", Bytes::from_static(b"v"), Duration::ZERO).await.unwrap();
    assert_eq!(cache.get("gone").await.unwrap(), None);
}

pub(super) async fn delete_and_overwrite(on: Fixture) {
    let cache = &on.stores.cache;
    assert_eq!(cache.get("k").await.unwrap(), None);
    for value in ["first", "second"] {
        cache.set("k", Bytes::from(value), TTL).await.unwrap();
        assert_eq!(cache.clone().get("k").await.unwrap().unwrap(), value);
    }
    cache.delete("k").await.unwrap();
    cache.delete("k").await.unwrap();
    assert_eq!(cache.get("k").await.unwrap(), None);
}

pub(super) async fn any_bytes_under_any_key(on: Fixture) {
    let every_byte: Bytes = (0..=u8::MAX).cycle().take(100_000).collect();
    for key in ["", "with spaces\r\n", "καλημέρα", "{a}:{b}"] {
        on.stores.cache.set(key, every_byte.clone(), Duration::MAX).await.unwrap();
        assert_eq!(on.stores.cache.get(key).await.unwrap(), Some(every_byte.clone()));
    }
    on.stores.cache.set("empty", Bytes::new(), TTL).await.unwrap();
    assert_eq!(on.stores.cache.get("empty").await.unwrap(), Some(Bytes::new()));
}
