//! Time as a parameter: the one place that reads the wall clock, and a hand-moved twin for tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use time::{OffsetDateTime, PrimitiveDateTime};

const NANOS_PER_MICRO: i128 = 1_000;

/// Where "now" comes from. Cheap to clone; clones of a manual clock move together.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock, in UTC.
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still at `start` until [`Clock::advance`] moves it.
    #[must_use]
    pub fn manual(start: OffsetDateTime) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(to_micros(start)))))
    }

    /// Now in UTC, cut to whole microseconds: PostgreSQL and our SQLite text both keep exactly that much, so a value
    /// read back equals the value written.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        from_micros(self.now_micros())
    }

    /// Now as microseconds since the Unix epoch.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that may read the wall clock")]
    pub fn now_micros(&self) -> i64 {
        match &self.0 {
            Source::System => to_micros(OffsetDateTime::now_utc()),
            Source::Manual(micros) => micros.load(Ordering::SeqCst),
        }
    }

    /// Now as whole seconds since the Unix epoch, as JWT's NumericDate wants it (RFC 7519, section 2).
    #[must_use]
    pub fn now_seconds(&self) -> i64 {
        self.now_micros().div_euclid(1_000_000)
    }

    /// Moves a manual clock forward. The system clock moves by itself and ignores the call.
    pub fn advance(&self, by: Duration) {
        match &self.0 {
            Source::System => {}
            Source::Manual(micros) => {
                let step = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
                micros.fetch_add(step, Ordering::SeqCst);
            }
        }
    }

    /// This clock's time from now on, as a source that nobody can set back.
    #[must_use]
    pub fn steady(&self) -> Steady {
        Steady { start: self.now_micros(), origin: Instant::now(), clock: self.clone() }
    }

    /// Whether this clock is moved by hand, so that back-ends with a clock of their own know whom to ask.
    #[must_use]
    pub const fn is_manual(&self) -> bool {
        matches!(self.0, Source::Manual(_))
    }
}

/// Microseconds that only go forward, however the machine's clock is set: for state that must neither be forgotten nor
/// held for hours because somebody corrected the time. It begins at what the clock said and drifts from it thereafter.
#[derive(Clone, Debug)]
pub struct Steady {
    start: i64,
    origin: Instant,
    clock: Clock,
}

impl Steady {
    /// Now. Under a manual clock, what that says.
    #[must_use]
    pub fn micros(&self) -> i64 {
        match &self.clock.0 {
            Source::System => {
                let since = i64::try_from(self.origin.elapsed().as_micros()).unwrap_or(i64::MAX);
                self.start.saturating_add(since)
            }
            Source::Manual(micros) => micros.load(Ordering::SeqCst),
        }
    }
}

/// Microseconds since the Unix epoch, cut towards the past.
#[must_use]
pub fn to_micros(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos().div_euclid(NANOS_PER_MICRO)).unwrap_or(i64::MAX)
}

/// The instant that many microseconds after the Unix epoch; values out of range become the end of range on their side,
/// in the years 9999 and -9999.
#[must_use]
pub fn from_micros(micros: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * NANOS_PER_MICRO)
        .unwrap_or(if micros < 0 { PrimitiveDateTime::MIN } else { PrimitiveDateTime::MAX }.assume_utc())
}

/// RFC 3339 in UTC with `Z` and exactly six decimals, the form every answer uses.
#[must_use]
pub fn rfc3339(at: OffsetDateTime) -> String {
    let at = at.to_offset(time::UtcOffset::UTC);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.microsecond()
    )
}

/// Serde for instants in that form: `#[serde(with = "shared::clock::instant")]`.
pub mod instant {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;

    /// Writes RFC 3339 UTC with `Z`.
    pub fn serialize<S: Serializer>(at: &OffsetDateTime, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::rfc3339(*at))
    }

    /// Reads any RFC 3339 instant.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<OffsetDateTime, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        OffsetDateTime::parse(&text, &Rfc3339).map_err(D::Error::custom)
    }

    /// The same for an instant that may be absent.
    pub mod option {
        use serde::{Deserialize, Deserializer, Serializer, de::Error};
        use time::OffsetDateTime;
        use time::format_description::well_known::Rfc3339;

        /// Writes RFC 3339 UTC with `Z`, or `null`.
        pub fn serialize<S: Serializer>(at: &Option<OffsetDateTime>, to: S) -> Result<S::Ok, S::Error> {
            match at {
                Some(at) => to.serialize_some(&super::super::rfc3339(*at)),
                None => to.serialize_none(),
            }
        }

        /// Reads any RFC 3339 instant, or `null`.
        pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<OffsetDateTime>, D::Error> {
            let text = <Option<String>>::deserialize(from)?;
            text.map(|text| OffsetDateTime::parse(&text, &Rfc3339).map_err(D::Error::custom)).transpose()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_still_until_moved_and_its_clones_move_with_it() {
        let clock = Clock::manual(time::macros::datetime!(2026-01-02 03:04:05 UTC));
        let twin = clock.clone();
        assert_eq!(clock.now(), twin.now());
        clock.advance(Duration::from_millis(1_500));
        assert_eq!(rfc3339(twin.now()), "2026-01-02T03:04:06.500000Z");
    }

    #[test]
    fn steady_time_follows_a_manual_clock_and_never_goes_back_under_the_machines() {
        let clock = Clock::manual(time::macros::datetime!(2026-01-02 03:04:05 UTC));
        let steady = clock.steady();
        clock.advance(Duration::from_secs(1));
        assert_eq!(steady.micros(), clock.now_micros());
        let (system, before) = (Clock::system(), Clock::system().now_micros());
        let steady = system.steady();
        let (first, second) = (steady.micros(), steady.micros());
        assert!(before <= first && first <= second);
    }

    #[test]
    fn what_no_calendar_has_is_shown_at_its_end_and_not_as_the_epoch() {
        assert_eq!(from_micros(i64::MAX).year(), 9_999);
        assert_eq!(from_micros(i64::MIN).year(), -9_999);
        let end = to_micros(from_micros(i64::MAX));
        assert_eq!((to_micros(from_micros(end)), to_micros(from_micros(end + 1))), (end, end));
    }

    #[test]
    fn now_survives_a_round_trip_through_microseconds() {
        let now = Clock::system().now();
        assert_eq!(from_micros(to_micros(now)), now);
    }
}
