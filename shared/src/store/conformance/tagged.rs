//! The cache with tags: what is purged is gone for everybody, also what was being made at the time.

use std::time::Duration;

use bytes::Bytes;

use super::fixture::Fixture;
use crate::store::tagged::{EVERYTHING, Entry, Stamp, TaggedCache};

const TTL: Duration = Duration::from_secs(30);
const BOUND: u64 = 1 << 20;

fn room(on: &Fixture) -> TaggedCache {
    on.stores.tagged("room", BOUND)
}

async fn now(cache: &TaggedCache) -> Stamp {
    cache.look_up(&[], &[]).await.unwrap().now
}

async fn put(cache: &TaggedCache, key: &str, tags: &[&str], begun: Stamp) {
    let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
    let value = Bytes::copy_from_slice(key.as_bytes());
    cache.put(Entry { key, value: &value, ttl: TTL, tags: &tags, begun }).await.unwrap();
}

/// Which of `keys` are there, with the value that they were given.
async fn there<'k>(cache: &TaggedCache, keys: &[&'k str]) -> Vec<&'k str> {
    let found = cache.look_up(keys, &[]).await.unwrap();
    let pairs = keys.iter().zip(found.values);
    pairs.filter(|(key, value)| value.as_deref() == Some(key.as_bytes())).map(|(key, _)| *key).collect()
}

pub(super) async fn a_tagged_value_lives_for_its_ttl(on: Fixture) {
    let cache = room(&on);
    put(&cache, "k", &["t"], now(&cache).await).await;
    on.clock.advance(TTL - Duration::from_micros(1));
    assert_eq!(there(&cache, &["none", "k"]).await, ["k"]);
    on.clock.advance(Duration::from_micros(1));
    assert!(there(&cache, &["k"]).await.is_empty());
    put(&cache, "k", &[], now(&cache).await).await;
    cache.forget("k").await.unwrap();
    cache.forget("k").await.unwrap();
    assert!(there(&cache, &["k"]).await.is_empty());
}

pub(super) async fn a_purge_takes_its_tags_and_nothing_else(on: Fixture) {
    let (cache, other) = (room(&on), on.stores.tagged("other room", BOUND));
    let keys = ["one", "two", "both", "none"];
    let fill = async || {
        for (key, tags) in keys.iter().zip([&["1"][..], &["2"], &["1", "2"], &[]]) {
            put(&cache, key, tags, now(&cache).await).await;
            put(&other, key, tags, now(&other).await).await;
        }
    };
    fill().await;
    cache.purge(&["1"]).await.unwrap();
    assert_eq!(there(&cache, &keys).await, ["two", "none"]);
    fill().await;
    assert_eq!(there(&cache, &keys).await, keys, "what is made afterwards is there");
    cache.purge(&["1", "2", "unknown"]).await.unwrap();
    assert_eq!(there(&cache, &keys).await, ["none"]);
    fill().await;
    cache.clone().purge(&[EVERYTHING]).await.unwrap();
    assert!(there(&cache, &keys).await.is_empty());
    assert_eq!(there(&other, &keys).await, keys, "rooms share nothing");
    fill().await;
    assert_eq!(there(&cache, &keys).await, keys);
}

pub(super) async fn what_was_begun_before_a_purge_is_stillborn(on: Fixture) {
    let cache = room(&on);
    for purge in ["t", EVERYTHING] {
        let begun = now(&cache).await;
        cache.purge(&[purge]).await.unwrap();
        put(&cache, "k", &["t"], begun).await;
        assert!(there(&cache, &["k"]).await.is_empty(), "purged by {purge:?}");
        put(&cache, "k", &["t"], now(&cache).await).await;
        assert_eq!(there(&cache, &["k"]).await, ["k"]);
    }
}

pub(super) async fn a_look_up_says_when_its_tags_were_purged(on: Fixture) {
    let cache = room(&on);
    let tags = ["t".to_owned(), "u".to_owned()];
    let before = cache.look_up(&["k"], &tags).await.unwrap();
    assert!(before.purged <= before.now);
    cache.purge(&["elsewhere"]).await.unwrap();
    assert_eq!(cache.look_up(&["k"], &tags).await.unwrap().purged, before.purged);
    for tag in ["u", EVERYTHING] {
        let begun = now(&cache).await;
        cache.purge(&[tag]).await.unwrap();
        let after = cache.look_up(&["k"], &tags).await.unwrap();
        assert!(after.purged > begun && after.purged <= after.now, "{tag:?}");
    }
}

pub(super) async fn a_late_writer_does_not_replace_a_later_one(on: Fixture) {
    let cache = room(&on);
    let early = now(&cache).await;
    cache.purge(&["something else"]).await.unwrap();
    let late = now(&cache).await;
    let write = async |value: &'static str, begun| {
        let value = Bytes::from(value);
        cache.put(Entry { key: "k", value: &value, ttl: TTL, tags: &[], begun }).await.unwrap();
        cache.look_up(&["k"], &[]).await.unwrap().values.remove(0).unwrap()
    };
    assert_eq!(write("new", late).await, "new");
    assert_eq!(write("old", early).await, "new");
    assert_eq!(write("newer", late).await, "newer");
}

pub(super) async fn any_bytes_under_any_key_and_tag(on: Fixture) {
    let cache = room(&on);
    let every_byte: Bytes = (0..=u8::MAX).cycle().take(100_000).collect();
    let tags = ["with spaces, %d and 'quotes'".to_owned(), "καλημέρα".to_owned()];
    for key in ["", "with spaces\r\n", "καλημέρα", "{a}:{b}"] {
        let begun = now(&cache).await;
        let entry = Entry { key, value: &every_byte, ttl: Duration::MAX, tags: &tags, begun };
        cache.put(entry).await.unwrap();
        assert_eq!(cache.look_up(&[key], &[]).await.unwrap().values, [Some(every_byte.clone())]);
    }
    cache.purge(&["καλημέρα"]).await.unwrap();
    assert_eq!(cache.look_up(&["", "{a}:{b}"], &[]).await.unwrap().values, [None, None]);
}
