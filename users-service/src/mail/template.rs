//! Which mails there are.

/// What a mail is about. Its name stands in the row: what it says is decided when it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Template {
    /// Confirm the address you registered with.
    VerifyEmail,
    /// Confirm the address you want to move to.
    ConfirmEmail,
    /// To the old address: somebody wants to move away from it.
    EmailChangeAsked,
    /// To the old address: it is no longer the account's.
    EmailChanged,
    /// Choose a new password.
    ResetPassword,
    /// The password is another one now.
    PasswordChanged,
    /// What they sign in with besides the password is something else now: the row says what.
    FactorChanged,
    /// Somebody registered with an address that has an account.
    AlreadyRegistered,
    /// Nothing came of a registration: the user name is somebody else's.
    UsernameTaken,
}

impl Template {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::VerifyEmail,
        Self::ConfirmEmail,
        Self::EmailChangeAsked,
        Self::EmailChanged,
        Self::ResetPassword,
        Self::PasswordChanged,
        Self::FactorChanged,
        Self::AlreadyRegistered,
        Self::UsernameTaken,
    ];

    /// As in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ConfirmEmail => "confirm_email",
            Self::EmailChangeAsked => "email_change_asked",
            Self::EmailChanged => "email_changed",
            Self::ResetPassword => "reset_password",
            Self::PasswordChanged => "password_changed",
            Self::FactorChanged => "factor_changed",
            Self::AlreadyRegistered => "already_registered",
            Self::UsernameTaken => "username_taken",
        }
    }

    /// Whether strangers can have it sent, by registering or asking: then only so many go to one address. What tells
    /// somebody of a change is never held back from who has shown the address to be theirs, for it may be the only word of
    /// a theft.
    #[must_use]
    pub const fn by_strangers(self) -> bool {
        match self {
            Self::VerifyEmail
            | Self::ConfirmEmail
            | Self::ResetPassword
            | Self::AlreadyRegistered
            | Self::UsernameTaken => true,
            Self::EmailChangeAsked | Self::EmailChanged | Self::PasswordChanged | Self::FactorChanged => false,
        }
    }

    /// Read back; nothing for what a newer release has written.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|template| template.as_str() == text)
    }
}
