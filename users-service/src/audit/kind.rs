//! What can happen that somebody may have to answer for: a closed list, each with its word and how it came out.

/// How it came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was done.
    Succeeded,
    /// It was not allowed.
    Refused,
    /// It was tried, and something offered for it was wrong.
    Failed,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Succeeded, Self::Refused, Self::Failed];

    /// As it is stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $word:literal $outcome:ident;)+) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind { $($(#[$doc])* $kind,)+ }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind,)+];

            /// As it is stored and shown.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $word,)+ }
            }

            /// How things of this kind come out.
            #[must_use]
            pub const fn outcome(self) -> Outcome {
                match self { $(Self::$kind => Outcome::$outcome,)+ }
            }
        }
    };
}

kinds! {
    /// Somebody registered.
    UserRegistered "user.registered" Succeeded;
    /// Somebody was to be registered as somebody who is already, where that is not disclosed.
    RegistrationDeclined "user.registration_declined" Refused;
    /// Somebody was brought over from another system, with the hash that it made of their password.
    UserImported "user.imported" Succeeded;
    /// A start made the first administrator.
    AdministratorMade "user.administrator_made" Succeeded;
    /// An e-mail address was shown to be its user's.
    EmailVerified "user.email_verified" Succeeded;
    /// Somebody asked for another e-mail address: it waits for its confirmation.
    EmailChangeAsked "user.email_change_asked" Succeeded;
    /// An e-mail address was changed.
    EmailChanged "user.email_changed" Succeeded;
    /// A user name was changed.
    UsernameChanged "user.username_changed" Succeeded;
    /// Something else about a user was changed; which members, but not their values.
    UserChanged "user.changed" Succeeded;
    /// Somebody got other roles.
    RolesChanged "user.roles_changed" Succeeded;
    /// A custom role was made.
    RoleMade "role.made" Succeeded;
    /// A custom role was changed, and with it what its holders may do.
    RoleChanged "role.changed" Succeeded;
    /// A custom role was removed.
    RoleRemoved "role.removed" Succeeded;
    /// Somebody made an API key.
    ApiKeyMade "api_key.made" Succeeded;
    /// An API key was revoked.
    ApiKeyRevoked "api_key.revoked" Succeeded;
    /// Somebody was shut out.
    UserDisabled "user.disabled" Succeeded;
    /// Somebody was let in again.
    UserEnabled "user.enabled" Succeeded;
    /// Somebody was deleted.
    UserDeleted "user.deleted" Succeeded;
    /// A deletion was taken back.
    UserRestored "user.restored" Succeeded;
    /// A deleted user's personal data was removed.
    UserPurged "user.purged" Succeeded;
    /// Somebody took away everything that is held about them.
    DataExported "user.data_exported" Succeeded;
    /// A password was changed by whoever knew it.
    PasswordChanged "password.changed" Succeeded;
    /// A password was replaced by whoever had the link to do so.
    PasswordReset "password.reset" Succeeded;
    /// Somebody was sent a link to replace their password, at an administrator's word.
    PasswordResetSent "password.reset_sent" Succeeded;
    /// A password was to be changed by somebody who did not know it.
    PasswordChangeFailed "password.change_failed" Failed;
    /// So often that nobody looked any more; one event per window.
    PasswordChangeThrottled "password.change_throttled" Refused;
    /// A session was opened.
    SignInSucceeded "sign_in.succeeded" Succeeded;
    /// Wrong credentials, of whatever kind.
    SignInFailed "sign_in.failed" Failed;
    /// Too many failures; one event per window, identifier and address.
    SignInThrottled "sign_in.throttled" Refused;
    /// No room for the work; one event per window.
    SignInShed "sign_in.shed" Refused;
    /// Somebody proved once more, in their session, who they are.
    StepUpSucceeded "step_up.succeeded" Succeeded;
    /// They could not.
    StepUpFailed "step_up.failed" Failed;
    /// So often that nobody looked any more; one event per window.
    StepUpThrottled "step_up.throttled" Refused;
    /// A session was ended because too many wrong passwords were shown in it: whoever holds it is somebody else.
    SessionGuessedIn "session.guessed_in" Refused;
    /// Somebody began to set an authenticator app up.
    FactorStarted "factor.started" Succeeded;
    /// A second factor is asked for from now on.
    FactorAdded "factor.added" Succeeded;
    /// It is no longer.
    FactorRemoved "factor.removed" Succeeded;
    /// A second factor was to be added, with a wrong code.
    FactorFailed "factor.failed" Failed;
    /// So often that nobody looked any more; one event per window.
    FactorThrottled "factor.throttled" Refused;
    /// Somebody made a passkey, which signs them in from now on.
    PasskeyAdded "passkey.added" Succeeded;
    /// A passkey got another name.
    PasskeyRenamed "passkey.renamed" Succeeded;
    /// A passkey was taken away.
    PasskeyRemoved "passkey.removed" Succeeded;
    /// A passkey has signed no more often than it had before: somebody has a copy.
    PasskeyCloned "passkey.cloned" Refused;
    /// Recovery codes were made, and those of before are void.
    RecoveryCodesMade "recovery_codes.made" Succeeded;
    /// A recovery code stood in for the second factor.
    RecoveryCodeUsed "recovery_codes.used" Succeeded;
    /// A session was ended: by whoever held a token of it, by its user, by an administrator, or because they had too many.
    SessionEnded "session.ended" Succeeded;
    /// A session was ended because an old refresh token of it came back: somebody has a copy.
    RefreshReplayed "session.replayed" Refused;
    /// An OAuth client was registered.
    ClientMade "client.registered" Succeeded;
    /// A client was changed.
    ClientChanged "client.changed" Succeeded;
    /// A client was removed, with what its users had allowed it.
    ClientRemoved "client.removed" Succeeded;
    /// A client got another secret.
    ClientSecretMade "client.secret_made" Succeeded;
    /// All tokens that a client had got for itself were given back.
    ClientTokensEnded "client.tokens_ended" Succeeded;
    /// Somebody said to be a client and could not show it.
    ClientRefused "client.refused" Failed;
    /// So often that nobody looked any more; one event per window.
    ClientThrottled "client.throttled" Refused;
    /// A user let a client act for them.
    ConsentGiven "consent.given" Succeeded;
    /// They took it back: its sessions of theirs have ended.
    ConsentWithdrawn "consent.withdrawn" Succeeded;
    /// A client has redeemed an authorization code for a session.
    CodeRedeemed "code.redeemed" Succeeded;
    /// A code came with something wrong, and is worth nothing any more.
    CodeRefused "code.refused" Failed;
    /// A code came once more: somebody has a copy. What it opened has ended.
    CodeReused "code.reused" Refused;
    /// Another key signs access tokens, because it was due or because an operator said so.
    SigningKeyRotated "signing_key.rotated" Succeeded;
    /// An operator took a key out of use: nothing that it has signed is believed.
    SigningKeyRevoked "signing_key.revoked" Succeeded;
    /// Somebody called what they may not.
    CallRefused "call.refused" Refused;
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_kind_has_a_word_of_its_own() {
        let words: HashSet<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(words.len(), Kind::ALL.len());
    }
}
