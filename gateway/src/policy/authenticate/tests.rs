//! Which credentials hold: forgeries, the keys' life, where a credential may stand, API keys, and issuers that are asked.

mod asked;
mod carriers;
pub(super) mod fixture;
mod forged;
mod life;

use shared::domain::Roles;

use super::*;
