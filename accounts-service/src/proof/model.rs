//! The checks, as the API shows them.

use serde::{Deserialize, Serialize};
use shared::clock::{from_micros, rfc3339};
use shared::problem::{Code, Problem};
use utoipa::ToSchema;
use uuid::Uuid;

use super::invariant::Invariant;
use super::part::{Part, Standing};
use super::sampler::Bounds;
use super::verify::Head;
use super::watch::{Checked, Kept, Watch, named};

/// Violations acted on at once.
const MOST: usize = 100;

/// Characters of a note.
const NOTE: usize = 500;

/// How the ledger stands, as far as the service has looked.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Invariants)]
pub struct InvariantsBody {
    /// sound: nothing is on record that nobody has acted on; violated: something is; unchecked: nobody has looked yet; stale: nothing is, but some part cannot be looked at, or was not for long.
    #[schema(example = "sound")]
    pub status: &'static str,
    /// When anything was looked at last.
    #[schema(format = DateTime)]
    pub last_round_at: Option<String>,
    /// How far the chain was followed.
    pub reached: ChainPlace,
    /// How far it goes.
    pub head: ChainPlace,
    /// Violations that nobody has acted on.
    pub open_violations: i64,
    /// What rounds look at, part by part.
    pub parts: Vec<PartBody>,
    /// Each invariant.
    pub invariants: Vec<InvariantBody>,
}

/// A part of what rounds look at.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InvariantPart)]
pub struct PartBody {
    /// chain: what is new in the order of commit; ties: what that settles, exchanges and names; accounts, keys, settled (holds and reversals), exchanges: on tours and at random; balances, remainders: sums of all.
    #[schema(example = "chain")]
    pub name: &'static str,
    /// When it was looked at to its end last.
    #[schema(format = DateTime)]
    pub done_at: Option<String>,
    /// Since when it cannot be: its query fails, or takes too long.
    #[schema(format = DateTime)]
    pub failing_since: Option<String>,
    /// Whether it fails, or was not looked at for long.
    pub stale: bool,
}

/// A place on the chain.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChainPlace {
    /// The number of a batch.
    pub batch_no: i64,
    /// Its last position in the order of commit.
    pub position: i64,
    /// Its instant.
    #[schema(format = DateTime)]
    pub at: Option<String>,
}

/// Something that has to hold.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Invariant)]
pub struct InvariantBody {
    /// Its name, in metrics and in `verify`, too.
    #[schema(value_type = String, example = "chain_links")]
    pub name: Invariant,
    /// What it says.
    pub says: &'static str,
    /// Whether the service looks at it by itself; `accounts-service verify` looks at all.
    pub sampled: bool,
    /// How many things were held against it so far.
    pub checked: i64,
    /// When last.
    #[schema(format = DateTime)]
    pub checked_at: Option<String>,
    /// How far the chain had been followed then.
    pub up_to: Option<ChainPlace>,
    /// Violations that nobody has acted on.
    pub open_violations: i64,
    /// Those, and then what was acted on, the newest first; at most 100 of all invariants together.
    pub violations: Vec<ViolationBody>,
}

/// Something that does not hold. It stays until somebody has acted on it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Violation)]
pub struct ViolationBody {
    /// Which.
    pub id: Uuid,
    /// How it is instead.
    pub says: String,
    /// The month that its position names.
    pub month: Option<String>,
    /// The commit batch.
    pub batch_no: Option<i64>,
    /// The place in the order of commit.
    pub position: Option<i64>,
    /// The instant of it.
    #[schema(format = DateTime)]
    pub at: Option<String>,
    /// The account.
    pub account_id: Option<Uuid>,
    /// The transfer, or the exchange.
    pub transfer_id: Option<Uuid>,
    /// When it was found.
    #[schema(format = DateTime)]
    pub found_at: String,
    /// When it was found last.
    #[schema(format = DateTime)]
    pub seen_at: String,
    /// When somebody said that they have acted.
    #[schema(format = DateTime)]
    pub acknowledged_at: Option<String>,
    /// Who.
    pub acknowledged_by: Option<Uuid>,
    /// What they said of it.
    pub note: Option<String>,
}

/// What somebody has acted on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAcknowledgement {
    /// Ids of violations, 1 to 100.
    #[schema(min_items = 1, max_items = 100)]
    pub violations: Vec<Uuid>,
    /// What was done, 1 to 500 characters.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500)]
    pub note: Option<String>,
}

impl NewAcknowledgement {
    /// 422 with what is wrong with it.
    ///
    /// # Errors
    /// When something is.
    pub fn check(&self) -> Result<(), Problem> {
        let mut problem = Problem::new(Code::ValidationFailed);
        let mut sound = true;
        if !(1..=MOST).contains(&self.violations.len()) {
            problem = problem.error("/violations", "length", "1 to 100 violations");
            sound = false;
        }
        let told = |note: &String| (1..=NOTE).contains(&note.chars().count()) && !note.chars().any(char::is_control);
        if !self.note.as_ref().is_none_or(told) {
            problem = problem.error("/note", "length", "1 to 500 characters, none of them a control");
            sound = false;
        }
        if sound { Ok(()) } else { Err(problem) }
    }
}

fn time(micros: i64) -> Option<String> {
    (micros > 0).then(|| rfc3339(from_micros(micros)))
}

impl InvariantsBody {
    /// From what is kept.
    #[must_use]
    pub fn of(
        (watch, head): (&Watch, &Head),
        parts: Vec<PartBody>,
        checked: &[Checked],
        open: &[(String, i64)],
        kept: Vec<Kept>,
    ) -> Self {
        let open_violations = open.iter().map(|(_, count)| count).sum();
        let mut kept = kept;
        let of = |invariant: &Invariant| {
            let word = invariant.word();
            let checked = checked.iter().find(|row| row.invariant == word);
            InvariantBody {
                name: *invariant,
                says: invariant.says(),
                sampled: invariant.is_sampled(),
                checked: checked.map_or(0, |row| row.checked),
                checked_at: checked.and_then(|row| time(row.checked_at)),
                up_to: checked.map(|row| ChainPlace { batch_no: row.batch_no, position: row.position, at: None }),
                open_violations: open.iter().find(|(of, _)| of == word).map_or(0, |(_, count)| *count),
                violations: kept
                    .extract_if(.., |row| named(&row.invariant) == Some(*invariant))
                    .map(ViolationBody::of)
                    .collect(),
            }
        };
        Self {
            invariants: Invariant::ALL.iter().map(of).collect(),
            status: match (open_violations, watch.round_at, parts.iter().any(|part| part.stale)) {
                (0, _, true) => "stale",
                (0, 0, false) => "unchecked",
                (0, _, false) => "sound",
                (_, _, _) => "violated",
            },
            parts,
            last_round_at: time(watch.round_at),
            reached: ChainPlace { batch_no: watch.batch_no, position: watch.position, at: time(watch.at) },
            head: ChainPlace { batch_no: head.batch_no, position: head.position, at: time(head.committed_at) },
            open_violations,
        }
    }
}

impl PartBody {
    /// Each that was looked at once; the others have nothing to be stale.
    #[must_use]
    pub fn all(standings: &[Standing], (now, lease): (i64, i64), bounds: &Bounds) -> Vec<Self> {
        let of = |part: Part| {
            let standing = standings.iter().find(|standing| standing.part == part.word());
            Self {
                name: part.word(),
                done_at: standing.and_then(|standing| time(standing.done_at)),
                failing_since: standing.and_then(|standing| standing.failing_since).and_then(time),
                stale: standing.is_some_and(|standing| standing.is_stale(part, (now, lease), bounds)),
            }
        };
        Part::ALL.map(of).into()
    }
}

impl ViolationBody {
    fn of(kept: Kept) -> Self {
        let place = kept.place();
        Self {
            id: kept.id,
            month: place.month().map(|month| month.to_string()),
            batch_no: place.batch_no,
            position: place.position,
            at: place.at.and_then(time),
            account_id: place.account_id,
            transfer_id: place.transfer_id,
            found_at: rfc3339(from_micros(kept.found_at)),
            seen_at: rfc3339(from_micros(kept.seen_at)),
            acknowledged_at: kept.acknowledged_at.and_then(time),
            acknowledged_by: kept.acknowledged_by,
            says: kept.says,
            note: kept.note,
        }
    }
}
