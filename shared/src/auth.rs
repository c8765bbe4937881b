//! The identity assertion: how the gateway tells a service, in a way it can check, who is calling.

mod assertion;
mod caller;

pub use assertion::{
    AUDIENCE_ACCOUNTS, AUDIENCE_USERS, HEADER, InvalidAssertion, LIFETIME, SecretTooShort, Signer, Verifier,
};
pub use caller::{
    Admin, Anyone, Caller, External, InSession, SIGN_IN, SignedIn, Staff, TheGateway, TreasurerOrAdmin, User,
};

#[cfg(test)]
mod tests;
