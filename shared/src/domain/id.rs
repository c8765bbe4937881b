//! Ids as distinct types over UUIDv7 (RFC 9562), so that an account's id cannot be passed for a user's.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use uuid::{NoContext, Timestamp, Uuid};

use crate::clock::Clock;

macro_rules! id_type {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = String, format = Uuid, example = "01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11")]
        pub struct $name(Uuid);

        impl $name {
            /// A new id whose leading bits are the clock's time, so that rows created later sort later.
            #[must_use]
            pub fn generate(clock: &Clock) -> Self {
                Self(uuid_v7(clock))
            }

            /// The bare UUID, for a database column.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.as_hyphenated(), f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                parse_hyphenated(text).map(Self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                // By way of `FromStr`: a body knows no other forms of an id than a path does.
                let text = <Cow<'de, str>>::deserialize(from)?;
                text.parse().map_err(|_| D::Error::custom("no UUID"))
            }
        }
    )+};
}

id_type! {
    /// A user of the identity service.
    UserId;
    /// A sign-in session: one device of one user.
    SessionId;
    /// A ledger account.
    AccountId;
    /// A transfer between two accounts.
    TransferId;
    /// A standing order.
    StandingOrderId;
    /// An exchange of one currency for another.
    ExchangeId;
    /// A rate of exchange.
    ExchangeRateId;
    /// An event of the outbox.
    EventId;
    /// An API key.
    ApiKeyId;
    /// A passkey.
    PasskeyId;
    /// An OAuth client.
    ClientId;
    /// A link in a mail.
    LinkId;
    /// A mail.
    MailId;
}

fn uuid_v7(clock: &Clock) -> Uuid {
    let micros = clock.now_micros();
    let seconds = u64::try_from(micros.div_euclid(1_000_000)).unwrap_or(0);
    let nanos = u32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or(0);
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, nanos))
}

/// Only the hyphenated form is an id of ours: one resource has one URL.
fn parse_hyphenated(text: &str) -> Result<Uuid, uuid::Error> {
    text.parse::<uuid::fmt::Hyphenated>().map(uuid::fmt::Hyphenated::into_uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_what_they_print_and_refuse_other_forms() {
        let id = UserId::generate(&Clock::system());
        assert_eq!(id.to_string().parse::<UserId>().unwrap(), id);
        assert_eq!(id.as_uuid().get_version_num(), 7);
        for bad in ["", "1", "zz", &id.as_uuid().simple().to_string(), &format!("{{{id}}}")] {
            assert!(bad.parse::<UserId>().is_err(), "{bad} must not be an id");
            assert!(serde_json::from_value::<UserId>(bad.into()).is_err(), "{bad} must not be an id in JSON either");
        }
    }

    #[test]
    fn ids_made_later_sort_later() {
        let clock = Clock::manual(time::macros::datetime!(2026-01-01 0:00 UTC));
        let first = TransferId::generate(&clock);
        clock.advance(std::time::Duration::from_millis(2));
        assert!(first < TransferId::generate(&clock));
    }
}
