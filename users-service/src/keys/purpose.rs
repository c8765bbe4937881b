//! What a ring of keys is for. Each purpose has a ring of its own, so that nothing that one has signed is ever taken for
//! what another has.

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Access tokens.
    Access,
    /// ID tokens (OpenID Connect Core, section 2).
    Id,
}

impl Purpose {
    /// As people and logs are told.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access tokens",
            Self::Id => "ID tokens",
        }
    }
}
