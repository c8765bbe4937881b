//! The identity assertion: how the gateway tells a service, in a way it can check, who is calling.

mod assertion;
mod caller;

pub use assertion::{
    AUDIENCE_ACCOUNTS, AUDIENCE_USERS, HEADER, InvalidAssertion, LIFETIME, SecretTooShort, Signer, Verifier,
};
pub use caller::{
    Anyone, Caller, CanAssignRoles, CanManageClients, CanManageKeys, CanManageRoles, CanManageSessions, CanManageUsers,
    CanReadAudit, CanSeeRoles, External, InSession, SIGN_IN, SignedIn, Staff, TheGateway, User,
};

#[cfg(test)]
mod tests;
