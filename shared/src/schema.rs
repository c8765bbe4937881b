//! Whether a release may run on a database that another release has migrated.

use std::collections::BTreeSet;

/// How a database stands to the release that looks at it. Migrations only add what the release before can ignore, so who
/// finds more than it knows goes on: an instance that restarts during a roll-out, or a release that was gone back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schema {
    /// It lacks migrations of this release, which are to be applied.
    Behind,
    /// It is this release's.
    Level,
    /// It has all of this release's and these of a newer one: nothing is to be applied.
    Ahead(Vec<String>),
}

/// It lacks some of this release's migrations, and has others that this release knows nothing of: neither came after the
/// other, so nobody knows what applying the rest would do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the database has migrations that this release does not know ({}) and lacks some of its own ({}): run a release that \
     knows both, or look at another database",
    unknown.join(", "),
    lacking.join(", ")
)]
pub struct Astray {
    /// Those of another release.
    pub unknown: Vec<String>,
    /// Those of this one.
    pub lacking: Vec<String>,
}

impl Schema {
    /// Compares the names of this release's migrations with those that the database says were applied.
    ///
    /// # Errors
    /// When the database belongs to another line of releases.
    pub fn of<'a>(
        ours: impl IntoIterator<Item = &'a str>,
        applied: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, Astray> {
        let (ours, applied): (BTreeSet<_>, BTreeSet<_>) = (ours.into_iter().collect(), applied.into_iter().collect());
        let owned = |names: &BTreeSet<&str>| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (unknown, lacking) = (owned(&(&applied - &ours)), owned(&(&ours - &applied)));
        match (unknown.is_empty(), lacking.is_empty()) {
            (true, true) => Ok(Self::Level),
            (true, false) => Ok(Self::Behind),
            (false, true) => Ok(Self::Ahead(unknown)),
            (false, false) => Err(Astray { unknown, lacking }),
        }
    }

    /// Whether migrations are to be applied. A newer schema is worth a line in the log.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        match self {
            Self::Behind => true,
            Self::Level => false,
            Self::Ahead(newer) => {
                let newer = newer.join(", ");
                tracing::warn!(
                    newer,
                    "a newer release has migrated this database; this one runs on what it knows of it"
                );
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_runs_on_its_own_schema_and_on_a_newer_one() {
        let of = |applied: &[&'static str]| Schema::of(["m1", "m2"], applied.iter().copied());
        assert_eq!(of(&[]), Ok(Schema::Behind));
        assert_eq!(of(&["m1"]), Ok(Schema::Behind));
        assert_eq!(of(&["m2", "m1"]), Ok(Schema::Level));
        assert_eq!(of(&["m1", "m2", "m3"]), Ok(Schema::Ahead(vec!["m3".to_owned()])));
        let astray = of(&["m1", "m3"]).unwrap_err();
        assert!(astray.to_string().contains("does not know (m3) and lacks some of its own (m2)"), "{astray}");
        let behind = [Schema::Behind, Schema::Level, Schema::Ahead(Vec::new())].map(|schema| schema.is_behind());
        assert_eq!(behind, [true, false, false]);
    }
}
