//! Names that look alike (UTS #39): what a name looks like, and whether it mixes scripts as no writing does.

use super::fold::fold;
use unicode_security::{MixedScript, RestrictionLevel, RestrictionLevelDetection, skeleton};

/// What a name looks like. Two that look alike in either way cannot be told apart by eye.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looks {
    /// Written small (section 4, `skeleton`).
    pub small: String,
    /// Written large: a name is shown as its owner writes it, and `т` is no t, but `Т` is a T.
    pub large: String,
    /// As it is written, each letter as whatever it looks like, and that written small: large `Ε` and small `να` together
    /// are `Eva`.
    pub written: String,
}

impl Looks {
    /// Of a name in its normal form, and as it is written.
    #[must_use]
    pub fn of(normal: &str, written: &str) -> Self {
        let seen: String = skeleton(written).collect();
        Self {
            small: skeleton(normal).collect(),
            large: skeleton(&normal.to_uppercase()).collect(),
            written: skeleton(&fold(&seen)).collect(),
        }
    }
}

/// Whether a name is neither of one script nor mixed as Japanese, Chinese and Korean are with Latin (section 5.2, "highly
/// restrictive"): `раypal` with two Cyrillic letters is.
#[must_use]
pub fn is_mixed(normal: &str) -> bool {
    !normal.is_single_script() && !normal.check_restriction_level(RestrictionLevel::HighlyRestrictive)
}
