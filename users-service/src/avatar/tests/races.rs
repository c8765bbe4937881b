//! Workers that die, images that are replaced or deleted while somebody works on them, and many at once.

use std::time::Duration;

use futures_util::future::join_all;
use shared::clock::{Clock, to_micros};
use shared::domain::UserId;

use super::*;
use crate::avatar::model::Kind;
use crate::avatar::picture::shrink;
use crate::avatar::store::{self, Leased};
use crate::testing::{Ground, database};

on_both! {
    what_a_killed_worker_leaves_is_taken_over,
    what_kills_each_worker_is_given_up,
    a_deletion_leaves_nothing_behind_a_worker,
    of_many_at_once_one_is_shown_and_it_is_whole,
}

/// An image that a worker of another process has taken.
pub struct Held {
    leased: Leased,
    clock: Clock,
}

impl Ground {
    /// Sends an image past the service, and takes it before the service does.
    pub async fn held_avatar(&self, person: &Person, image: &[u8]) -> Held {
        let (database, clock) = (database(self).await, Clock::manual(time::macros::datetime!(2026-03-01 12:00 UTC)));
        let write = database.write().await.unwrap();
        store::begin(&write, UserId::from(person.id.as_uuid()), Kind::Png, image.to_vec(), &clock).await.unwrap();
        let until = to_micros(clock.now() + Duration::from_secs(60));
        let leased = store::lease(&write, clock.now_micros(), until).await.unwrap().unwrap();
        write.commit().await.unwrap();
        database.close().await;
        Held { leased, clock }
    }
}

impl Held {
    /// Does what the worker would have done: whether it still matters.
    pub async fn finish(&self, ground: &Ground, image: &[u8]) -> bool {
        let database = database(ground).await;
        let write = database.write().await.unwrap();
        let small = shrink(Kind::Png, image, 1_000_000).unwrap();
        let mattered = store::ready(&write, &self.leased, small, &self.clock).await.unwrap();
        write.commit().await.unwrap();
        database.close().await;
        mattered
    }
}

async fn what_a_killed_worker_leaves_is_taken_over(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let _dead = service.ground.held_avatar(&ada, &png(&halves(30, 30))).await;
    let clock = service.clock.clone();
    let ground = service.halt().await;
    let service = Setup::on(backend).at(clock).start_on(ground).await;
    get(&service, &ada, MINE).await.expect(202);
    service.clock.advance(Duration::from_secs(61));
    settled(&service, &ada).await.expect(200);
    service.until_count("SELECT count(*) FROM avatars WHERE attempts = 2", 1).await;
    service.stop().await;
}

async fn what_kills_each_worker_is_given_up(backend: Backend) {
    let service = Setup::on(backend).set("avatars.attempts", "2").start().await;
    let ada = service.person("adalovelace").await;
    let _dead = service.ground.held_avatar(&ada, &png(&halves(30, 30))).await;
    service.ground.run("UPDATE avatars SET attempts = 2").await;
    service.clock.advance(Duration::from_secs(61));
    settled(&service, &ada).await.expect_problem(404, "not_found");
    service.until_count("SELECT count(*) FROM avatars WHERE status = 'failed' AND original IS NULL", 1).await;
    service.stop().await;
}

async fn a_deletion_leaves_nothing_behind_a_worker(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let image = png(&halves(30, 30));
    let held = service.ground.held_avatar(&ada, &image).await;
    service.call(Method::DELETE, MINE).by(&ada).send().await.expect(204);
    assert!(!held.finish(&service.ground, &image).await);
    service.until_count("SELECT count(*) FROM avatars", 0).await;
    get(&service, &ada, MINE).await.expect_problem(404, "not_found");
    // A worker that was only slow comes too late as well, once another one has taken over.
    let slow = service.ground.held_avatar(&ada, &image).await;
    service.clock.advance(Duration::from_secs(61));
    let shown = settled(&service, &ada).await.expect(200);
    assert!(!slow.finish(&service.ground, &png(&halves(20, 20))).await);
    assert_eq!(get(&service, &ada, MINE).await.bytes, shown.bytes);
    service.stop().await;
}

async fn of_many_at_once_one_is_shown_and_it_is_whole(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let images: Vec<_> = (1..=12).map(|side| png(&halves(side * 10, side * 10))).collect();
    let answers = join_all(images.iter().map(|image| put(&service, &ada, "image/png", image))).await;
    assert!(answers.iter().all(|answer| answer.status == 202));
    let large = image::load_from_memory(&settled(&service, &ada).await.expect(200).bytes).unwrap();
    let thumb = get(&service, &ada, &format!("{MINE}?size=thumb")).await.expect(200);
    assert_eq!(image::load_from_memory(&thumb.bytes).unwrap().width(), large.width().min(64));
    // And while they come and go.
    let removal = async || service.call(Method::DELETE, MINE).by(&ada).send().await;
    let both =
        join_all(images.iter().map(async |image| (put(&service, &ada, "image/png", image).await, removal().await)));
    for (taken, removed) in both.await {
        assert_eq!((taken.status, removed.status), (202, 204));
    }
    service.call(Method::DELETE, MINE).by(&ada).send().await.expect(204);
    service.until_count("SELECT count(*) FROM avatars", 0).await;
    service.stop().await;
}
