//! Which pages there are, and what they say.

/// A page, by the last part of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// `/account/verify`
    Verify,
    /// `/account/email`
    Email,
    /// `/account/reset`
    Reset,
}

/// The names of all.
pub const NAMES: [&str; 3] = [Page::Verify.name(), Page::Email.name(), Page::Reset.name()];

impl Page {
    /// The page with this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Verify, Self::Email, Self::Reset].into_iter().find(|page| page.name() == name)
    }

    /// Its name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Email => "email",
            Self::Reset => "reset",
        }
    }

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Verify => "Confirm your e-mail address",
            Self::Email => "Confirm your new e-mail address",
            Self::Reset => "Choose a new password",
        }
    }

    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Verify => "One click, and the address is confirmed.",
            Self::Email => "One click, and your account uses this address from now on.",
            Self::Reset => "It signs you out everywhere; sign in with it afterwards.",
        }
    }

    pub(super) const fn button(self) -> &'static str {
        match self {
            Self::Verify | Self::Email => "Confirm",
            Self::Reset => "Set the password",
        }
    }

    pub(super) const fn done(self) -> &'static str {
        match self {
            Self::Verify => "Your e-mail address is confirmed. You can close this page.",
            Self::Email => "Your account uses the new address from now on. You can close this page.",
            Self::Reset => "The new password is set. Sign in with it.",
        }
    }

    /// Whether it asks for a password.
    pub(super) const fn asks_password(self) -> bool {
        match self {
            Self::Verify | Self::Email => false,
            Self::Reset => true,
        }
    }
}
