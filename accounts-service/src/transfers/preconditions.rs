//! What a transfer asks of the balances that it leaves behind.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::posting::{Bounds, Preconditions};

/// Conditions on the balances that would result.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPreconditions {
    /// On the debit account.
    #[serde(default, deserialize_with = "object")]
    pub debit_balance: Option<NewBounds>,
    /// On the credit account.
    #[serde(default, deserialize_with = "object")]
    pub credit_balance: Option<NewBounds>,
    /// The debit account's version as it was last seen.
    #[serde(default)]
    pub debit_version: Option<i64>,
}

/// Inclusive bounds in minor units.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBounds {
    /// At least.
    #[serde(default)]
    pub gte: Option<i64>,
    /// At most.
    #[serde(default)]
    pub lte: Option<i64>,
}

impl From<NewPreconditions> for Preconditions {
    fn from(new: NewPreconditions) -> Self {
        let bounds = |new: Option<NewBounds>| {
            let NewBounds { gte, lte } = new.unwrap_or_default();
            Bounds { gte, lte }
        };
        Self {
            debit_balance: bounds(new.debit_balance),
            credit_balance: bounds(new.credit_balance),
            debit_version: new.debit_version,
        }
    }
}

/// An object or `null`: serde would also take an array for a struct, member by member, so that `[0, 100]` would be
/// bounds that nobody wrote.
pub fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    from.deserialize_any(Object(PhantomData))
}

struct Object<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Option<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(Some)
    }
}
