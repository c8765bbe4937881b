//! One normal form for whatever is compared: `Ａlice`, `ALICE` and `alice` are one name.

use std::ops::RangeInclusive;

use unicode_normalization::UnicodeNormalization;

/// NFKC, full case folding, and NFKC again, because folding can leave a text that is not normal (Unicode 16, D146 and
/// section 3.13.3, without the removal of ignorables: see [`has_ignorable`]).
#[must_use]
pub fn fold(text: &str) -> String {
    let normal: String = text.nfkc().collect();
    caseless::default_case_fold_str(&normal).nfkc().collect()
}

/// Whether a text has a character that is not shown (Unicode 16, `Default_Ignorable_Code_Point`): with one, a name looks
/// like another and is none.
#[must_use]
pub fn has_ignorable(text: &str) -> bool {
    text.chars().any(is_ignorable)
}

/// Whether a character is one of those.
#[must_use]
pub fn is_ignorable(c: char) -> bool {
    IGNORABLE.iter().any(|range| range.contains(&c))
}

/// `DerivedCoreProperties.txt`, in the order of the code points.
const IGNORABLE: [RangeInclusive<char>; 17] = [
    '\u{AD}'..='\u{AD}',
    '\u{34F}'..='\u{34F}',
    '\u{61C}'..='\u{61C}',
    '\u{115F}'..='\u{1160}',
    '\u{17B4}'..='\u{17B5}',
    '\u{180B}'..='\u{180F}',
    '\u{200B}'..='\u{200F}',
    '\u{202A}'..='\u{202E}',
    '\u{2060}'..='\u{206F}',
    '\u{3164}'..='\u{3164}',
    '\u{FE00}'..='\u{FE0F}',
    '\u{FEFF}'..='\u{FEFF}',
    '\u{FFA0}'..='\u{FFA0}',
    '\u{FFF0}'..='\u{FFF8}',
    '\u{1BCA0}'..='\u{1BCA3}',
    '\u{1D173}'..='\u{1D17A}',
    '\u{E0000}'..='\u{E0FFF}',
];
