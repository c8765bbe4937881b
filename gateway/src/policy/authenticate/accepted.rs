//! Whose credentials a route takes: a set of the configuration's issuers, small enough to ask on every request.

/// One issuer's place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place(u8);

/// Tokens of our own issuer.
pub const DEFAULT: &str = "default";
/// API keys of our users.
pub const API_KEYS: &str = "api_keys";
/// API keys that stand in the configuration.
pub const STATIC_KEYS: &str = "static_keys";

/// The names that are taken before any further issuer.
pub const TAKEN: [&str; 3] = [DEFAULT, API_KEYS, STATIC_KEYS];

/// Most further issuers: what a set of 64 leaves.
pub const MAX_ISSUERS: usize = 64 - TAKEN.len();

impl Place {
    /// Our own issuer.
    pub const OURS: Self = Self(0);
    /// API keys of our users.
    pub const API_KEYS: Self = Self(1);
    /// API keys that stand in the configuration.
    pub const STATIC_KEYS: Self = Self(2);

    /// The further issuer with this index.
    #[must_use]
    pub fn further(index: usize) -> Self {
        Self(u8::try_from((index + TAKEN.len()).min(63)).unwrap_or(63))
    }

    const fn bit(self) -> u64 {
        1 << self.0
    }
}

/// The issuers that a route takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted(u64);

impl Accepted {
    /// Whether credentials of this one open the route.
    #[must_use]
    pub const fn has(self, place: Place) -> bool {
        self.0 & place.bit() != 0
    }
}

impl FromIterator<Place> for Accepted {
    fn from_iter<I: IntoIterator<Item = Place>>(places: I) -> Self {
        Self(places.into_iter().fold(0, |set, place| set | place.bit()))
    }
}
