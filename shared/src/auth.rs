//! The identity assertion: how the gateway tells a service, in a way it can check, who is calling. And the seal, under
//! which services keep what nobody else may read.

mod assertion;
mod caller;
mod seal;

pub use assertion::{
    AUDIENCE_ACCOUNTS, AUDIENCE_USERS, HEADER, InvalidAssertion, LIFETIME, SecretTooShort, Signer, Verifier,
};
pub use caller::{
    Anyone, Caller, CanAssignRoles, CanManageClients, CanManageKeys, CanManageRoles, CanManageSessions, CanManageUsers,
    CanOperateAccounts, CanReadAudit, CanSeeRoles, External, InSession, SIGN_IN, SignedIn, Staff, TheGateway, User,
};
pub use seal::{Opened, Seal, SealError};

#[cfg(test)]
mod tests;
