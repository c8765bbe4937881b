//! Whether a release may run on a database that another release has migrated.

use std::collections::BTreeSet;

/// How a database stands to the release that looks at it. Migrations only add what the release before can ignore, so who
/// finds more than it knows goes on: an instance that restarts during a roll-out, or a release that was gone back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schema {
    /// It lacks these migrations of this release, which are to be applied.
    Behind(Vec<String>),
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

/// Nobody has applied this release's migrations yet, and whoever starts is not to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the database lacks migrations of this release ({}): run `{service} migrate` first, or set database.migrate_on_start",
    lacking.join(", ")
)]
pub struct Unready {
    /// What is lacking.
    pub lacking: Vec<String>,
    /// Whose command applies it.
    pub service: &'static str,
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
            (true, false) => Ok(Self::Behind(lacking)),
            (false, true) => Ok(Self::Ahead(unknown)),
            (false, false) => Err(Astray { unknown, lacking }),
        }
    }

    /// Whether migrations are to be applied. A newer schema is worth a line in the log.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        match self {
            Self::Behind(_) => true,
            Self::Level => false,
            Self::Ahead(newer) => {
                tell(newer);
                false
            }
        }
    }

    /// Whether a service may start on it that is not to migrate it. A newer schema is worth a line in the log.
    ///
    /// # Errors
    /// When migrations are to be applied first.
    pub fn require(self, service: &'static str) -> Result<(), Unready> {
        match self {
            Self::Behind(lacking) => Err(Unready { lacking, service }),
            Self::Level => Ok(()),
            Self::Ahead(newer) => {
                tell(&newer);
                Ok(())
            }
        }
    }
}

fn tell(newer: &[String]) {
    let newer = newer.join(", ");
    tracing::warn!(newer, "a newer release has migrated this database; this one runs on what it knows of it");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_runs_on_its_own_schema_and_on_a_newer_one() {
        let of = |applied: &[&'static str]| Schema::of(["m1", "m2"], applied.iter().copied());
        let behind = |lacking: &[&str]| Schema::Behind(lacking.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(of(&[]), Ok(behind(&["m1", "m2"])));
        assert_eq!(of(&["m1"]), Ok(behind(&["m2"])));
        assert_eq!(of(&["m2", "m1"]), Ok(Schema::Level));
        assert_eq!(of(&["m1", "m2", "m3"]), Ok(Schema::Ahead(vec!["m3".to_owned()])));
        let astray = of(&["m1", "m3"]).unwrap_err();
        assert!(astray.to_string().contains("does not know (m3) and lacks some of its own (m2)"), "{astray}");
        let all = [behind(&["m2"]), Schema::Level, Schema::Ahead(Vec::new())];
        assert_eq!(all.each_ref().map(Schema::is_behind), [true, false, false]);
        let [lagging, level, newer] = all.map(|schema| schema.require("some-service"));
        let lagging = lagging.unwrap_err().to_string();
        assert!(lagging.contains("(m2)") && lagging.contains("run `some-service migrate`"), "{lagging}");
        assert_eq!((level, newer), (Ok(()), Ok(())));
    }
}
