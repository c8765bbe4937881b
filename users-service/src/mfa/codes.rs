//! What somebody sends as `otp`: an app's code, or a recovery code, however they group and write it.

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::rand;
use base32::Alphabet;
use shared::domain::UserId;
use shared::problem::Problem;

/// How many recovery codes there are at a time.
pub(super) const RECOVERY_CODES: usize = 10;

/// 120 bits: nobody guesses one from its hash, so the hash may be a fast one.
const BYTES: usize = 15;
/// Of the code as text, five bits each.
const LETTERS: usize = 24;
const GROUP: usize = 4;

/// More than anybody types.
const LONGEST: usize = 64;

/// Hashed with the code, so that the hash is good for nothing else.
const CONTEXT: &[u8] = b"tollgate recovery code 1";

/// What was sent.
pub(super) enum Otp {
    /// Six digits, from an app.
    Code(String),
    /// From paper.
    Recovery(RecoveryCode),
}

/// A recovery code.
#[derive(PartialEq, Eq)]
pub(super) struct RecoveryCode([u8; BYTES]);

impl Otp {
    /// Reads it; nothing for what can be neither.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let text: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        match text.len() {
            6 if text.bytes().all(|byte| byte.is_ascii_digit()) => Some(Self::Code(text)),
            LETTERS => RecoveryCode::parse(&text).map(Self::Recovery),
            _ => None,
        }
    }
}

impl RecoveryCode {
    pub fn generate() -> Result<Self, Problem> {
        let mut bytes = [0; BYTES];
        rand::fill(&mut bytes).map_err(Problem::internal)?;
        Ok(Self(bytes))
    }

    /// Crockford's alphabet, in which `O` is read as 0, and `I` and `L` as 1.
    fn parse(text: &str) -> Option<Self> {
        base32::decode(Alphabet::Crockford, text)?.try_into().ok().map(Self)
    }

    /// As it is shown, once.
    pub fn show(&self) -> String {
        let text = base32::encode(Alphabet::Crockford, &self.0);
        let groups: Vec<_> = text.as_bytes().chunks(GROUP).map(String::from_utf8_lossy).collect();
        groups.join("-")
    }

    /// As it is stored.
    pub fn digest(&self, user: UserId) -> Vec<u8> {
        let mut context = Context::new(&SHA256);
        for part in [CONTEXT, user.as_uuid().as_bytes(), &self.0] {
            context.update(part);
        }
        context.finish().as_ref().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use shared::clock::Clock;

    use super::*;

    fn recovery(text: &str) -> Option<RecoveryCode> {
        match Otp::parse(text) {
            Some(Otp::Recovery(code)) => Some(code),
            Some(Otp::Code(_)) | None => None,
        }
    }

    #[test]
    fn a_recovery_code_is_read_however_it_is_written() {
        let code = RecoveryCode([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 250, 251, 252, 253, 254]);
        let shown = code.show();
        assert_eq!((shown.len(), shown.matches('-').count()), (29, 5), "{shown}");
        let spaced = shown.replace('-', " ");
        let letters = shown.replace('0', "o").replace('1', "L");
        for text in [&shown, &shown.to_lowercase(), &shown.replace('-', ""), &spaced, &letters] {
            assert!(recovery(text).is_some_and(|read| read == code), "{text}");
        }
        assert!(recovery(&shown[1..]).is_none() && recovery(&format!("{shown}0")).is_none());
        assert!(recovery(&shown.replace('0', "U")).is_none() && recovery(&"ä".repeat(12)).is_none());
    }

    #[test]
    fn an_apps_code_may_have_a_gap() {
        for text in ["123456", "123 456", "123-456", " 123456 "] {
            assert!(matches!(Otp::parse(text), Some(Otp::Code(code)) if code == "123456"), "{text}");
        }
        for text in ["", "12345", "1234567", "12345a", "１２３４５６", &" ".repeat(60_000), &"1".repeat(60_000)] {
            assert!(Otp::parse(text).is_none());
        }
    }

    #[test]
    fn a_digest_is_one_users() {
        let clock = Clock::system();
        let (ada, bob) = (UserId::generate(&clock), UserId::generate(&clock));
        let (one, other) = (RecoveryCode::generate().unwrap(), RecoveryCode::generate().unwrap());
        assert_ne!(one.digest(ada), one.digest(bob));
        assert_ne!(one.digest(ada), other.digest(ada));
    }
}
