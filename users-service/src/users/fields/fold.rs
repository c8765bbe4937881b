//! One normal form for whatever is compared: `Ａlice`, `ALICE` and `alice` are one name.

use unicode_normalization::UnicodeNormalization;

/// NFKC, full case folding, and NFKC again, because folding can leave a text that is not normal (Unicode 16, D146 and
/// section 3.13.3, without the removal of ignorables: what is compared here has none).
#[must_use]
pub fn fold(text: &str) -> String {
    let normal: String = text.nfkc().collect();
    caseless::default_case_fold_str(&normal).nfkc().collect()
}
