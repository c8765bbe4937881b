//! E-mail addresses: kept as written, compared in a normal form.

use super::fold::{fold, has_ignorable};
use super::{Refused, refused};

/// RFC 5321, section 4.5.3.1.1, in bytes.
const MAX_LOCAL: usize = 64;

/// RFC 5321, section 4.5.3.1.3, less the angle brackets (RFC 3696, erratum 1690).
const MAX_ADDRESS: usize = 254;

/// RFC 5322's `atext` besides letters and digits.
const ATEXT: &str = "!#$%&'*+-/=?^_`{|}~";

/// An address: a dot-atom (letters of any script, RFC 6531), `@`, and a domain name of two labels or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    written: String,
    normal: String,
}

impl Email {
    /// Reads an address.
    ///
    /// # Errors
    /// The rule it breaks.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        const WRONG: Refused = Refused { code: "format", detail: "an e-mail address such as ada@example.com" };
        if text.len() > MAX_ADDRESS {
            return refused("length", "an e-mail address of at most 254 bytes");
        }
        let (local, domain) = text.rsplit_once('@').ok_or(WRONG)?;
        if local.len() > MAX_LOCAL || has_ignorable(text) || !is_dot_atom(local) {
            return Err(WRONG);
        }
        let domain = domain_normal(domain).ok_or(WRONG)?;
        let local = fold(local);
        if !is_dot_atom(&local) {
            return Err(WRONG);
        }
        Ok(Self { written: text.to_owned(), normal: format!("{local}@{domain}") })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// What uniqueness goes by: NFKC, full case folding, and the domain in its IDNA ASCII form.
    #[must_use]
    pub fn normal(&self) -> &str {
        &self.normal
    }

    /// As mail is sent to it: written as it was, with the domain as the DNS is asked for it.
    #[must_use]
    pub fn mailbox(&self) -> String {
        let domain = self.normal.rsplit_once('@').map_or("", |(_, domain)| domain);
        format!("{}@{domain}", self.local())
    }

    /// Whether mail to both goes to one mailbox, for all that is certain: servers take no notice of case, but hardly of what
    /// the normal form also takes for the same (`ß` and `ss`, full-width letters).
    #[must_use]
    pub fn same_mailbox(&self, other: &Self) -> bool {
        self.mailbox().eq_ignore_ascii_case(&other.mailbox())
    }

    /// The normal form without what many servers take for a detail: whatever is sent to `ada+news@` comes to `ada@`.
    #[must_use]
    pub fn without_detail(&self) -> String {
        let (local, domain) = self.normal.rsplit_once('@').unwrap_or_default();
        let mailbox = local.split('+').next().filter(|mailbox| !mailbox.is_empty()).unwrap_or(local);
        format!("{mailbox}@{domain}")
    }

    /// As it may be shown to whoever has another address: `a…@example.com`.
    #[must_use]
    pub fn masked(&self) -> String {
        let (first, domain) =
            (self.local().chars().next(), self.written.rsplit_once('@').map_or("", |(_, domain)| domain));
        format!("{}…@{domain}", first.map_or_else(String::new, String::from))
    }

    /// What stands before the `@`.
    #[must_use]
    pub fn local(&self) -> &str {
        self.written.rsplit_once('@').map_or("", |(local, _)| local)
    }
}

fn is_dot_atom(local: &str) -> bool {
    let letter = |c: char| c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(c);
    let atom = |atom: &str| !atom.is_empty() && atom.chars().all(|c| ATEXT.contains(c) || letter(c));
    local.split('.').all(atom)
}

/// The domain as the DNS would be asked for it (UTS #46 with STD3 rules), or nothing.
fn domain_normal(domain: &str) -> Option<String> {
    let ascii = idna::domain_to_ascii_strict(&fold(domain)).ok()?;
    let labels: Vec<_> = ascii.split('.').collect();
    let named = labels.len() >= 2 && labels.iter().all(|label| (1..=63).contains(&label.len()));
    // A last label of digits is an IP address (WHATWG URL), and those have no mailboxes here.
    let top = labels.last().is_some_and(|top| !top.bytes().all(|byte| byte.is_ascii_digit()));
    (named && top && ascii.len() <= 253).then_some(ascii)
}
