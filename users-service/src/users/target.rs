//! Whom a path means: `me`, or somebody by id; and whether the caller may read or change them.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::{Ready, ready};
use shared::auth::SignedIn;
use shared::domain::{Permission, UserId};
use shared::problem::{Code, Problem};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::error::UserError;

/// The path's `{id}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The caller.
    Me,
    /// Whoever has this id.
    Id(UserId),
}

/// What the document says of it, so that the gateway need not send on what names nobody.
const PATTERN: &str = "^(me|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$";

impl PartialSchema for Target {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(PATTERN));
        text.description(Some("A user's id, or `me`.")).examples(["me"]).into()
    }
}

impl ToSchema for Target {
    fn name() -> std::borrow::Cow<'static, str> {
        "UserIdOrMe".into()
    }
}

impl FromRequest for Target {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let target = match request.match_info().get("id") {
            Some("me") => Ok(Self::Me),
            Some(id) => id.parse().map(Self::Id).map_err(|_| Problem::new(Code::NotFound)),
            None => Err(Problem::new(Code::NotFound)),
        };
        ready(target)
    }
}

impl Target {
    /// The id that is meant.
    #[must_use]
    pub const fn id(self, caller: &SignedIn) -> UserId {
        match self {
            Self::Me => caller.user.id,
            Self::Id(id) => id,
        }
    }

    /// The id, if the caller may read that user: their own, or any as administrator or support.
    ///
    /// # Errors
    /// 404, whether or not there is such a user.
    pub fn readable(self, caller: &SignedIn) -> Result<UserId, UserError> {
        let id = self.id(caller);
        let allowed = id == caller.user.id || caller.may(Permission::UsersRead);
        if allowed { Ok(id) } else { Err(UserError::NotFound) }
    }

    /// The id, if the caller may do that to that user: to themselves, or to any with this permission.
    ///
    /// # Errors
    /// 403 for those who may read them, 404 for all others.
    pub fn changeable(self, caller: &SignedIn, permission: Permission) -> Result<UserId, UserError> {
        let id = self.id(caller);
        let allowed = id == caller.user.id || caller.may(permission);
        if allowed { Ok(id) } else { self.readable(caller).and(Err(UserError::Forbidden)) }
    }
}
