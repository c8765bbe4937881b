//! The embedded list of common passwords: those of at least ten characters among the 20,000 most common, as Royce
//! Williams compiled them for Django (`django/contrib/auth/common-passwords.txt.gz`); shorter ones fail by their length.

/// Sorted, one a line, in lower case.
const LIST: &str = include_str!("blocklist.txt");

/// Whether the folded password is on the list.
pub(super) fn is_common(folded: &str) -> bool {
    LIST.lines().any(|line| line == folded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::fold;

    #[test]
    fn the_list_holds_what_can_be_looked_up() {
        assert!(LIST.lines().count() > 1_500);
        for line in LIST.lines() {
            assert!(line.chars().count() >= 10 && fold(line) == line, "{line}");
        }
        assert!(is_common("1234567890") && is_common("qwertyuiop"));
    }
}
