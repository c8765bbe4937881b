//! The embedded list of common passwords, which the rules of length and digits would let through; `blocklist.md` says where
//! they come from. In the binary as it is: read from its pages when a password is chosen, and otherwise in nobody's memory.

/// Sorted, one a line, in lower case.
const LIST: &str = include_str!("blocklist.txt");

/// Whether the folded password is on the list.
pub(super) fn is_common(folded: &str) -> bool {
    LIST.lines().any(|line| line == folded)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::{PasswordRule, Passwords};
    use crate::passwords::rules::Password;
    use crate::users::fold;

    /// OWASP ASVS 5.0, 6.2.4: the top 3,000 that match the rules, whichever of our two rules that is.
    #[test]
    fn three_thousand_common_passwords_that_keep_the_other_rules_are_refused() {
        let lines: BTreeSet<_> = LIST.lines().collect();
        assert_eq!(lines.len(), LIST.lines().count(), "each once");
        assert!(LIST.lines().is_sorted() && lines.iter().all(|line| fold(line) == *line), "as they are looked up");
        let refused_by = |rule| {
            let rules = Passwords { rule, context_words: Vec::new() };
            let fault = |text: &str| Password::parse(text, &rules, &[]).err().map(|refused| refused.code);
            lines.iter().filter(|line| fault(line) == Some("common")).count()
        };
        let [composition, nist] = [PasswordRule::Composition, PasswordRule::Nist].map(refused_by);
        assert!(composition >= 3_000 && nist >= 3_000, "{composition} and {nist}");
        for known in ["1234567890", "password123", "qwerty12345", "123456789a", "1q2w3e4r5t", "passwordpassword"] {
            assert!(is_common(known), "{known}");
        }
        assert!(!is_common("correct horse battery 9 staple"));
    }
}
