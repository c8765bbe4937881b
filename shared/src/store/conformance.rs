//! One suite for both back-ends: what holds on Redis holds in memory, under a clock that the tests move.

mod alone;
mod cache;
mod counters;
mod fixture;
mod idempotency;
mod outage;
mod revocations;
mod tagged;

/// Runs each property on both back-ends, as tests of their own.
macro_rules! on_both_back_ends {
    ($($area:ident :: $property:ident,)+) => {
        mod memory {
            use super::fixture::Fixture;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $property() { super::$area::$property(Fixture::memory()).await; })+
        }

        mod redis {
            use super::fixture::Fixture;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $property() { super::$area::$property(Fixture::redis().await).await; })+
        }
    };
}

on_both_back_ends! {
    counters::two_hundred_at_once_on_a_burst_of_ten_let_exactly_ten_through,
    counters::all_keys_or_none,
    counters::calls_over_the_same_keys_in_any_order_neither_deadlock_nor_overshoot,
    counters::a_key_named_twice_is_charged_twice,
    counters::quota_comes_back_with_time_and_not_before,
    counters::both_decide_as_the_pure_algorithm_does,
    counters::peek_takes_nothing_and_reset_forgets,
    counters::a_changed_quota_is_obeyed_at_once,
    counters::a_shadow_keeps_nobody_out_and_is_charged_like_the_others,
    counters::looking_is_never_refused_and_charges_nothing,
    counters::decisions_in_bounded_time_are_the_same_decisions,
    cache::a_value_lives_for_its_ttl,
    cache::delete_and_overwrite,
    cache::any_bytes_under_any_key,
    tagged::a_tagged_value_lives_for_its_ttl,
    tagged::a_purge_takes_its_tags_and_nothing_else,
    tagged::what_was_begun_before_a_purge_is_stillborn,
    tagged::a_look_up_says_when_its_tags_were_purged,
    tagged::a_late_writer_does_not_replace_a_later_one,
    tagged::any_bytes_under_any_key_and_tag,
    idempotency::of_a_hundred_claims_one_is_made,
    idempotency::an_outcome_is_told_until_its_time_is_over,
    idempotency::a_free_key_can_be_claimed_by_another_request,
    idempotency::a_claim_that_lapsed_stays_or_is_made_anew,
    idempotency::a_late_outcome_counts_unless_another_has_the_key,
    idempotency::an_outcome_without_its_claim_is_kept,
    revocations::a_follower_knows_within_a_second,
    revocations::an_api_key_is_void_everywhere_within_a_second,
    revocations::a_signing_key_is_void_everywhere_within_a_second,
    revocations::a_late_follower_learns_what_still_matters,
    revocations::a_dropped_follower_is_told_nothing_more,
    revocations::thousands_arrive_at_every_follower,
}
