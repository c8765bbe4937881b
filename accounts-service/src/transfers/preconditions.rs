//! What a transfer asks of the balances that it leaves behind.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::posting::{Bounds, Preconditions};

/// Conditions on the balances that would result: on the balances, not on what is available. A hold leaves both as they are.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPreconditions {
    /// On the debit account.
    #[serde(default, deserialize_with = "object")]
    pub debit_balance: Option<NewBounds>,
    /// On the credit account. Of one that the caller may not read (another's; support, treasurer and admin read all) no bound
    /// holds, whatever its balance is.
    #[serde(default, deserialize_with = "object")]
    pub credit_balance: Option<NewBounds>,
    /// The debit account's version as it was last seen.
    #[serde(default)]
    pub debit_version: Option<i64>,
}

/// Bounds of a balance in minor units; all of them must hold.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBounds {
    /// More than.
    #[serde(default)]
    pub gt: Option<i64>,
    /// At least.
    #[serde(default)]
    pub gte: Option<i64>,
    /// Exactly.
    #[serde(default)]
    pub eq: Option<i64>,
    /// At most.
    #[serde(default)]
    pub lte: Option<i64>,
    /// Less than.
    #[serde(default)]
    pub lt: Option<i64>,
}

impl From<NewBounds> for Bounds {
    fn from(new: NewBounds) -> Self {
        // Balances end long before the range of the type does, so a bound at its end still refuses all of them.
        let above = new.gt.map(|bound| bound.saturating_add(1));
        let below = new.lt.map(|bound| bound.saturating_sub(1));
        Self {
            gte: [above, new.gte, new.eq].into_iter().flatten().max(),
            lte: [below, new.lte, new.eq].into_iter().flatten().min(),
        }
    }
}

impl From<NewPreconditions> for Preconditions {
    fn from(new: NewPreconditions) -> Self {
        Self {
            debit_balance: new.debit_balance.unwrap_or_default().into(),
            credit_balance: new.credit_balance.unwrap_or_default().into(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(text: &str) -> (Option<i64>, Option<i64>) {
        let Bounds { gte, lte } = serde_json::from_str::<NewBounds>(text).unwrap().into();
        (gte, lte)
    }

    #[test]
    fn five_ways_to_bound_come_down_to_two() {
        assert_eq!(bounds("{}"), (None, None));
        assert_eq!(bounds(r#"{"gt": 5, "lt": 9}"#), (Some(6), Some(8)));
        assert_eq!(bounds(r#"{"eq": 7}"#), (Some(7), Some(7)));
        assert_eq!(bounds(r#"{"gt": 5, "gte": 3, "lte": 20, "lt": 20}"#), (Some(6), Some(19)));
        assert_eq!(bounds(r#"{"eq": 7, "gte": 8}"#), (Some(8), Some(7)), "nothing is both");
        let far = format!(r#"{{"gt": {}, "lt": {}}}"#, i64::MAX, i64::MIN);
        assert_eq!(bounds(&far), (Some(i64::MAX), Some(i64::MIN)), "and never the other way round");
        assert!(serde_json::from_str::<NewBounds>(r#"{"ne": 1}"#).is_err());
    }
}
