//! The rows of the rings: two tables of one shape, one per purpose.

use std::cmp::Reverse;
use std::sync::Arc;

use sea_orm::ActiveValue::Set;
use sea_orm::{ConnectionTrait, EntityTrait};

use super::algorithm::Algorithm;
use super::purpose::Purpose;
use super::ring::{Held, Ring, State};
use super::signing::SigningKey;
use crate::db::entity::{id_token_key, signing_key};
use crate::db::{Fault, Write};

/// Every key for this that this release understands.
pub(super) async fn load<C: ConnectionTrait>(db: &C, purpose: Purpose) -> Result<Ring, Fault> {
    let held = match purpose {
        Purpose::Access => access::load(db).await?,
        Purpose::Id => id::load(db).await?,
    };
    Ok(Ring::of(held))
}

/// Writes what makes `before` into `after`. Who leaves a state goes first: in two of them there is room for one.
pub(super) async fn save(write: &Write, purpose: Purpose, before: &Ring, after: &Ring) -> Result<(), Fault> {
    let find = |ring: &Ring, kid: &str| ring.keys().iter().find(|held| held.key.kid == kid).cloned();
    for held in before.keys().iter().filter(|held| find(after, &held.key.kid).is_none()) {
        let kid = held.key.kid.clone();
        match purpose {
            Purpose::Access => access::remove(write, kid).await?,
            Purpose::Id => id::remove(write, kid).await?,
        }
    }
    let mut changed: Vec<_> =
        after.keys().iter().filter(|held| find(before, &held.key.kid).as_ref() != Some(*held)).collect();
    changed.sort_by_key(|held| Reverse(held.state));
    for held in changed {
        let is_new = find(before, &held.key.kid).is_none();
        match purpose {
            Purpose::Access => access::put(write, held, is_new).await?,
            Purpose::Id => id::put(write, held, is_new).await?,
        }
    }
    Ok(())
}

macro_rules! tables {
    ($($table:ident: $entity:ident;)+) => {$(
        mod $table {
            use super::*;

            pub async fn load<C: ConnectionTrait>(db: &C) -> Result<Vec<Held>, Fault> {
                let rows = $entity::Entity::find().all(db).await?;
                Ok(rows.into_iter().filter_map(held).collect())
            }

            fn held(row: $entity::Model) -> Option<Held> {
                let (Some(algorithm), Some(state)) = (Algorithm::named(&row.algorithm), State::named(&row.state)) else {
                    tracing::debug!(row.kid, row.algorithm, row.state, "a signing key of a later release");
                    return None;
                };
                let key = SigningKey { kid: row.kid, algorithm, private: row.private_key, public: row.public_key };
                Some(Held {
                    key: Arc::new(key),
                    state,
                    created_at: row.created_at,
                    published_at: row.published_at,
                    activated_at: row.activated_at,
                    gone_at: row.gone_at,
                })
            }

            pub async fn remove(write: &Write, kid: String) -> Result<(), Fault> {
                $entity::Entity::delete_by_id(kid).exec(write.transaction()).await?;
                Ok(())
            }

            pub async fn put(write: &Write, held: &Held, is_new: bool) -> Result<(), Fault> {
                let Held { key, state, created_at, published_at, activated_at, gone_at } = held;
                let row = $entity::ActiveModel {
                    kid: Set(key.kid.clone()),
                    algorithm: Set(key.algorithm.as_str().to_owned()),
                    private_key: Set(key.private.clone()),
                    public_key: Set(key.public.clone()),
                    created_at: Set(*created_at),
                    state: Set(state.as_str().to_owned()),
                    published_at: Set(*published_at),
                    activated_at: Set(*activated_at),
                    gone_at: Set(*gone_at),
                };
                if is_new {
                    $entity::Entity::insert(row).exec_without_returning(write.transaction()).await?;
                } else {
                    $entity::Entity::update(row).exec(write.transaction()).await?;
                }
                Ok(())
            }
        }
    )+};
}

tables! {
    access: signing_key;
    id: id_token_key;
}
