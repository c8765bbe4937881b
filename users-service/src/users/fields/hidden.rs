//! Characters that nobody sees in a text, or that turn around what stands beside them.

use unicode_normalization::char::is_combining_mark;

use super::fold::is_ignorable;

/// Whether a text shows all that is in it: no control characters, no line or paragraph separators, nothing ignorable, which
/// the controls of the direction of writing are too (Unicode 16, section 23.2). Joiners may stand between letters, where
/// Persian and the scripts of India need them.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    let mut before = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let fine = match c {
            '\u{200C}' | '\u{200D}' => before.is_some_and(is_letter) && rest.peek().copied().is_some_and(is_letter),
            '\u{2028}' | '\u{2029}' => false,
            c => !c.is_control() && !is_ignorable(c),
        };
        if !fine {
            return false;
        }
        before = Some(c);
    }
    true
}

fn is_letter(c: char) -> bool {
    c.is_alphabetic() || is_combining_mark(c)
}
