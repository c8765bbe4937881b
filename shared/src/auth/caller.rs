//! Who calls, as values that a handler needs: a handler that lists `CanReadAudit` cannot forget to ask.

use std::net::IpAddr;
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::{Ready, ready};

use super::assertion::{HEADER, Verifier};
use crate::domain::{ApiKeyId, Permission, Permissions, Roles, SessionId, UserId};
use crate::problem::{Code, Problem};

/// Whom the gateway vouches for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The signed-in user of ours, if any.
    pub user: Option<User>,
    /// Somebody who proved who they are, but is no user of ours. Never set together with `user`.
    pub external: Option<External>,
    /// Whether the gateway asks for itself and not for a client. No client's request ever says so.
    pub is_gateway: bool,
    /// The client's address, as the gateway saw it behind its trusted hops.
    pub client_ip: Option<IpAddr>,
}

/// A signed-in user, as the access token and the latest pushed revocations describe them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The token's `sub`.
    pub id: UserId,
    /// The token's `sid`. An API key has none.
    pub session: Option<SessionId>,
    /// The API key that stood for the user, if it was one: it may do no more than its scope says.
    pub api_key: Option<ApiKeyId>,
    /// The token's `roles`, less those taken away since.
    pub roles: Roles,
    /// What custom roles add to what the roles stand for, less what was taken away since.
    pub permissions: Permissions,
    /// The token's `scope`, space-separated.
    pub scope: String,
    /// The token's `ver`.
    pub ver: i64,
}

/// Somebody whom an issuer vouches for, but who is no user of ours: another identity provider's user, an OAuth client,
/// a key of the gateway's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// Who vouches: an issuer's `iss`.
    pub issuer: String,
    /// The name that is unique with that issuer.
    pub subject: String,
    /// Roles of ours that the gateway's configuration gives.
    pub roles: Roles,
    /// What it may be used for, space-separated.
    pub scope: String,
}

/// Anybody, signed in or not, that comes through the gateway.
#[derive(Clone, Debug)]
pub struct Anyone(pub Caller);

/// A signed-in user; 401 otherwise.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who.
    pub user: User,
    /// From where.
    pub client_ip: Option<IpAddr>,
}

impl User {
    /// Whether one of the user's roles, ours or custom, lets them do this. What the credential's scope allows, the gateway
    /// has judged.
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        self.roles.permissions().union(self.permissions).has(permission)
    }
}

impl SignedIn {
    /// Whether the user may do this; see [`User::may`].
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        self.user.may(permission)
    }
}

fn caller(request: &HttpRequest) -> Result<Caller, Problem> {
    let refused = || Problem::new(Code::AssertionRequired);
    let verifier = request.app_data::<web::Data<Verifier>>().ok_or_else(refused)?;
    let mut values = request.headers().get_all(HEADER);
    let (Some(assertion), None) = (values.next(), values.next()) else { return Err(refused()) };
    let assertion = assertion.to_str().map_err(|_| refused())?;
    verifier.verify(assertion, request.method().as_str(), request.path()).map_err(|_| refused())
}

fn signed_in(request: &HttpRequest) -> Result<SignedIn, Problem> {
    let Caller { user, client_ip, .. } = caller(request)?;
    let user = user.ok_or_else(|| Problem::new(Code::TokenRequired))?;
    Ok(SignedIn { user, client_ip })
}

impl FromRequest for Anyone {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(caller(request).map(Self))
    }
}

impl FromRequest for SignedIn {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(signed_in(request))
    }
}

/// A user in a session of their own that may do all that they may: the holder of a sign-in, not of an API key nor of a
/// token that was given to an OAuth client; 401 or 403 otherwise. For what changes how somebody signs in.
#[derive(Clone, Debug)]
pub struct InSession(SignedIn);

/// The scope of a session of the user's own; whatever stands for the user with less has another.
const WHOLE: &str = "api";

/// Said to whatever else stands for the user.
pub const SIGN_IN: &str = "Only a session of the user's own may do that: sign in.";

impl SignedIn {
    /// Whether this is a session of their own in which they may do all that they may; see [`InSession`].
    #[must_use]
    pub fn in_session(&self) -> bool {
        let own = self.user.session.is_some() && self.user.api_key.is_none();
        own && self.user.scope.split(' ').any(|word| word == WHOLE)
    }

    fn required_in_session(self) -> Result<Self, Problem> {
        if self.in_session() { Ok(self) } else { Err(Problem::new(Code::Forbidden).detail(SIGN_IN)) }
    }
}

impl Deref for InSession {
    type Target = SignedIn;

    fn deref(&self) -> &SignedIn {
        &self.0
    }
}

impl FromRequest for InSession {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(signed_in(request).and_then(SignedIn::required_in_session).map(Self))
    }
}

/// The gateway itself, asking about a credential; 403 for everybody else.
#[derive(Clone, Copy, Debug)]
pub struct TheGateway(());

impl FromRequest for TheGateway {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(
            caller(request).and_then(
                |caller| {
                    if caller.is_gateway { Ok(Self(())) } else { Err(Problem::new(Code::Forbidden)) }
                },
            ),
        )
    }
}

macro_rules! holders {
    ($($(#[$doc:meta])* $name:ident: $($permission:ident)|+$(, $in_session:ident)?;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(SignedIn);

        impl Deref for $name {
            type Target = SignedIn;

            fn deref(&self) -> &SignedIn {
                &self.0
            }
        }

        impl FromRequest for $name {
            type Error = Problem;
            type Future = Ready<Result<Self, Problem>>;

            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                let any = [$(Permission::$permission),+];
                let who = signed_in(request).and_then(|who| match any.into_iter().any(|one| who.may(one)) {
                    true => Ok(who),
                    false => Err(Problem::new(Code::Forbidden)),
                });
                $(let who = who.and_then(SignedIn::$in_session);)?
                ready(who.map(Self))
            }
        }
    )+};
}

// Each is 401 for nobody, and 403 for whoever may not. What hands out power is for a session of one's own: an API key that
// could would be worth every key there is.
holders! {
    /// Whoever may read everything about users.
    Staff: UsersRead;
    /// Whoever may shut users out and let them in again.
    CanManageUsers: UsersManage;
    /// Whoever may give people roles, in a session of their own.
    CanAssignRoles: RolesAssign, required_in_session;
    /// Whoever may give people roles or make custom ones, and so has to know which there are.
    CanSeeRoles: RolesAssign | RolesManage;
    /// Whoever may make custom roles, in a session of their own.
    CanManageRoles: RolesManage, required_in_session;
    /// Whoever may see and end anybody's sessions.
    CanManageSessions: SessionsManage;
    /// Whoever may register OAuth clients, in a session of their own.
    CanManageClients: ClientsManage, required_in_session;
    /// Whoever may read the audit.
    CanReadAudit: AuditRead;
    /// Whoever may see and revoke anybody's API keys.
    CanManageKeys: KeysManage;
    /// Whoever may freeze, unfreeze and close any account, and so sees whether the ledger is sound.
    CanOperateAccounts: AccountsOperate;
}
