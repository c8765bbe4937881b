//! The codes of an authenticator app: six digits every 30 seconds (RFC 6238), as every app has them by default.

use aws_lc_rs::rand;
use base32::Alphabet;
use fast_qr::convert::Builder as _;
use fast_qr::convert::svg::SvgBuilder;
use fast_qr::qr::QRBuilder;
use shared::auth::Seal;
use shared::domain::UserId;
use shared::problem::Problem;
use totp_rs::{Algorithm, Builder};

use super::model::Offer;

/// 160 bits, as RFC 4226 wants them (section 4, R6).
const SECRET_BYTES: usize = 20;
const STEP_SECONDS: u64 = 30;
const DIGITS: u8 = 6;

/// How many steps a clock may be off, either way (RFC 6238, section 5.2).
const SKEW: u16 = 1;

/// Modules of white around a QR code (ISO/IEC 18004 wants four).
const QUIET_ZONE: usize = 4;

/// The secret that an app and we share.
pub(super) struct Totp(Vec<u8>);

impl Totp {
    /// A new one.
    pub fn generate() -> Result<Self, Problem> {
        let mut secret = vec![0; SECRET_BYTES];
        rand::fill(&mut secret).map_err(Problem::internal)?;
        Ok(Self(secret))
    }

    /// As it is stored.
    pub fn sealed(&self, seal: &Seal, user: UserId) -> Result<Vec<u8>, Problem> {
        seal.seal(&self.0, &bound_to(user)).map_err(Problem::internal)
    }

    /// As it was stored, and whether it should be sealed anew.
    pub fn open(sealed: &[u8], seal: &Seal, user: UserId) -> Result<(Self, bool), Problem> {
        let opened = seal.open(sealed, &bound_to(user));
        let unknown = || Problem::internal("a second factor is sealed under a secret that is not in the settings");
        opened.map(|opened| (Self(opened.plain), opened.outdated)).ok_or_else(unknown)
    }

    /// The step of which this is the code, if it is one of about now (seconds since the Unix epoch).
    pub fn step_of(&self, code: &str, now: u64) -> Result<Option<i64>, Problem> {
        let step = self.rules("", "")?.check(code, now);
        Ok(step.and_then(|step| i64::try_from(step).ok()))
    }

    /// What an app is told, for a service of this name and an account of that one.
    pub fn offer(&self, issuer: &str, account: &str) -> Result<Offer, Problem> {
        // A colon parts issuer and account.
        let account = account.replace(':', "_");
        let otpauth_uri = self.rules(issuer, &account)?.to_url().map_err(Problem::internal)?;
        let code = QRBuilder::new(otpauth_uri.as_str()).build();
        // Its error has no words of its own.
        let code = code.map_err(|error| Problem::internal(format!("no QR code: {error:?}")))?;
        let qr_svg = SvgBuilder::default().margin(QUIET_ZONE).to_str(&code);
        let secret = base32::encode(Alphabet::Rfc4648 { padding: false }, &self.0);
        Ok(Offer { secret, otpauth_uri, qr_svg })
    }

    fn rules(&self, issuer: &str, account: &str) -> Result<totp_rs::Totp, Problem> {
        // SHA-1, for apps that take no other, or take it without saying so; what is weak in it is not used by HMAC.
        let rules = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(DIGITS).with_skew(SKEW);
        let rules = rules.with_step_duration(STEP_SECONDS).with_secret(self.0.clone());
        rules.with_issuer(Some(issuer)).with_account_name(account).build().map_err(Problem::internal)
    }
}

fn bound_to(user: UserId) -> Vec<u8> {
    [b"totp ".as_slice(), user.as_uuid().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, the last six of its eight digits.
    #[test]
    fn codes_are_the_rfcs() {
        let totp = Totp(b"12345678901234567890".to_vec());
        let table = [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
        ];
        for (at, code) in table {
            let step = i64::try_from(at / 30).unwrap();
            for now in [at - 29, at, at + 29] {
                assert_eq!(totp.step_of(code, now).unwrap(), Some(step), "{code} at {now}");
            }
            let begins = at - at % 30;
            for now in begins.checked_sub(31).into_iter().chain([begins + 60]) {
                assert_eq!(totp.step_of(code, now).unwrap(), None, "{code} at {now}");
            }
        }
        for other in ["", "28708", "2870822", "+28708", "28708a", "２８７０８２"] {
            assert_eq!(totp.step_of(other, 59).unwrap(), None, "{other}");
        }
    }

    #[test]
    fn an_offer_is_what_apps_read() {
        let totp = Totp(b"12345678901234567890".to_vec());
        let Offer { secret, otpauth_uri, qr_svg } = totp.offer("The Bank & Co", "ada+x:y@example.com").unwrap();
        assert_eq!(secret, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert!(otpauth_uri.starts_with("otpauth://totp/The%20Bank%20%26%20Co:ada"), "{otpauth_uri}");
        assert!(otpauth_uri.contains(&format!("secret={secret}")), "{otpauth_uri}");
        assert!(otpauth_uri.contains("issuer=The%20Bank%20%26%20Co"), "{otpauth_uri}");
        assert!(qr_svg.starts_with("<svg ") && qr_svg.ends_with("</svg>"), "{qr_svg}");
        assert!(!qr_svg.contains("script") && qr_svg.len() < 65_536, "{}", qr_svg.len());
        // The longest address that there can be.
        assert!(totp.offer("Tollgate", &"ä".repeat(254)).is_ok());
    }
}
