//! All the roles that somebody is to have, as words: which of ours, which custom ones, and whether the giver may.

use serde::{Deserialize, Serialize};
use shared::domain::{Permissions, Role, Roles};
use shared::problem::{Code, FieldError, Problem};

use super::authority::Authority;
use super::{parse_permissions, store};
use crate::db::Write;
use crate::db::entity::custom_role::Model;
use crate::users::{User, UserError};

/// More words than this nobody has.
const MOST: usize = 64;

/// All the roles somebody is to have.
#[derive(Clone, Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RolesRequest {
    /// At least one: `user`, `support`, `treasurer`, `admin`, and custom roles by their names.
    #[schema(example = json!(["user", "treasurer"]), min_items = 1, max_items = 64)]
    pub roles: Vec<String>,
}

/// The same, told apart.
#[derive(Clone, Debug)]
pub struct Wanted {
    words: Vec<String>,
    roles: Roles,
    custom: Vec<String>,
}

/// What it comes to for somebody.
#[derive(Clone, Debug)]
pub struct Change {
    /// The roles of ours they are to have.
    pub roles: Roles,
    /// The names of the custom roles they are to have.
    pub custom: Vec<String>,
    /// What these permit.
    pub permissions: Permissions,
    given: Vec<Model>,
    taken: Vec<Model>,
}

impl RolesRequest {
    /// The request, validated as far as that needs no database.
    ///
    /// # Errors
    /// 422.
    pub fn parse(self) -> Result<Wanted, Problem> {
        if !(1..=MOST).contains(&self.roles.len()) {
            return Err(Problem::new(Code::ValidationFailed).error("/roles", "min_items", "1 to 64 roles"));
        }
        let roles: Roles = self.roles.iter().filter_map(|word| word.parse::<Role>().ok()).collect();
        let mut custom: Vec<String> = self.roles.iter().filter(|word| word.parse::<Role>().is_err()).cloned().collect();
        custom.sort_unstable();
        custom.dedup();
        Ok(Wanted { words: self.roles, roles, custom })
    }
}

impl Wanted {
    /// Whether somebody has exactly these.
    #[must_use]
    pub fn are_those_of(&self, user: &User) -> bool {
        self.roles == user.roles && self.custom == user.custom_roles
    }

    /// What it comes to, if the giver may: both what is given and what is taken must be within what they hold.
    ///
    /// # Errors
    /// 422 `unknown_role`, 403 `not_held`, each with its place.
    pub async fn of(self, write: &Write, user: &User, giver: &Authority) -> Result<Change, UserError> {
        let wanted = store::named(write, &self.custom).await?;
        let unknown: Vec<FieldError> = self.missing(&wanted).collect();
        if !unknown.is_empty() {
            return Err(Problem::new(Code::ValidationFailed).errors(unknown).into());
        }
        let has = store::named(write, &user.custom_roles).await?;
        let besides = |all: &[Model], others: &[Model]| -> Vec<Model> {
            all.iter().filter(|role| others.iter().all(|other| other.id != role.id)).cloned().collect()
        };
        let (given, taken) = (besides(&wanted, &has), besides(&has, &wanted));
        self.within(user, giver, &given, &taken)?;
        let permissions = wanted.iter().map(permissions_of).fold(Permissions::NONE, Permissions::union);
        Ok(Change { roles: self.roles, custom: self.custom, permissions, given, taken })
    }

    fn missing<'a>(&'a self, found: &'a [Model]) -> impl Iterator<Item = FieldError> + 'a {
        let unknown = |word: &String| word.parse::<Role>().is_err() && found.iter().all(|role| role.name != *word);
        let places = self.words.iter().enumerate().filter(move |(_, word)| unknown(word));
        places.map(|(at, _)| FieldError {
            pointer: format!("/roles/{at}").into(),
            code: "unknown_role".into(),
            detail: "neither a role of ours nor a custom one".into(),
        })
    }

    fn within(&self, user: &User, giver: &Authority, given: &[Model], taken: &[Model]) -> Result<(), Problem> {
        let moved = |role: &Role| self.roles.has(*role) != user.roles.has(*role);
        let ours =
            Role::ALL.into_iter().filter(moved).filter(|role| !giver.covers_role(*role)).map(|role| role.to_string());
        let custom = given.iter().chain(taken).filter(|role| !giver.covers(permissions_of(role)));
        let not_held: Vec<String> = ours.chain(custom.map(|role| role.name.clone())).collect();
        if not_held.is_empty() {
            return Ok(());
        }
        let faults = not_held.into_iter().map(|word| {
            // What would be taken away stands nowhere in the request.
            let at = self.words.iter().position(|said| *said == word);
            FieldError {
                pointer: at.map_or_else(|| "/roles".to_owned(), |at| format!("/roles/{at}")).into(),
                code: "not_held".into(),
                detail: format!("nobody gives or takes away what they do not hold: {word}").into(),
            }
        });
        Err(Problem::new(Code::Forbidden).errors(faults))
    }
}

impl Change {
    /// Writes who has which custom role from now on. What follows for the user's own row is the caller's to write.
    ///
    /// # Errors
    /// When a statement fails.
    pub async fn write(
        &self,
        write: &Write,
        user: &User,
        by: shared::domain::UserId,
        now: i64,
    ) -> Result<(), UserError> {
        let (given, taken): (Vec<&Model>, Vec<&Model>) = (self.given.iter().collect(), self.taken.iter().collect());
        Ok(store::assign(write, user.id, (&given, &taken), by, now).await?)
    }
}

fn permissions_of(role: &Model) -> Permissions {
    parse_permissions(&role.permissions)
}

/// The words of both kinds, as v2 and the audit show them.
#[must_use]
pub fn words(roles: Roles, custom: &[String]) -> Vec<String> {
    roles.iter().map(|role| role.as_str().to_owned()).chain(custom.iter().cloned()).collect()
}
