//! What became of transfers: everything that names one, beside it. Holds, reversals, keys and runs of standing orders are
//! read with the transfers, sorted by whose id they name, so that nothing but one transfer's is ever kept.

use sea_orm::{DbErr, FromQueryResult, Value};
use uuid::Uuid;

use super::finding::{Findings, Place};
use super::invariant::Invariant;
use super::snapshot::Snapshot;

/// A row that names a transfer.
#[derive(Clone, Debug, FromQueryResult)]
struct Tie {
    named: Uuid,
    kind: i32,
    position: Option<i64>,
    a: Option<Uuid>,
    b: Option<Uuid>,
    n1: Option<i64>,
    n2: Option<i64>,
    n3: Option<i64>,
    n4: Option<i64>,
    t1: Option<String>,
    t2: Option<String>,
    back: Option<Uuid>,
}

/// What each kind of row is, with the column that names the transfer.
const TIES: [(&str, &str); 8] = [
    (
        "id",
        "SELECT id AS named, CAST(0 AS integer) AS kind, position AS position, debit_account_id AS a, \
         credit_account_id AS b, amount AS n1, expires_at AS n2, CAST(NULL AS bigint) AS n3, CAST(NULL AS bigint) AS n4, \
         status AS t1, currency AS t2, reversal_of AS back FROM transfers",
    ),
    (
        "transfer_id",
        "SELECT transfer_id, 1, CAST(NULL AS bigint), debit_account_id, credit_account_id, amount, expires_at, posted, \
         released, state, CAST(NULL AS text), CAST(NULL AS {uuid}) FROM holds",
    ),
    (
        "transfer_id",
        "SELECT transfer_id, 2, CAST(NULL AS bigint), CAST(NULL AS {uuid}), CAST(NULL AS {uuid}), amount, \
         CAST(NULL AS bigint), reversed, CAST(NULL AS bigint), CAST(NULL AS text), CAST(NULL AS text), \
         CAST(NULL AS {uuid}) FROM reversals",
    ),
    (
        "pending_of",
        "SELECT pending_of, 3, position, debit_account_id, credit_account_id, amount, CAST(NULL AS bigint), \
         CAST(NULL AS bigint), CAST(NULL AS bigint), status, currency, CAST(NULL AS {uuid}) FROM transfers",
    ),
    (
        "reversal_of",
        "SELECT reversal_of, 4, position, debit_account_id, credit_account_id, amount, CAST(NULL AS bigint), \
         CAST(NULL AS bigint), CAST(NULL AS bigint), status, currency, CAST(NULL AS {uuid}) FROM transfers",
    ),
    (
        "subject",
        "SELECT subject, 5, position, CAST(NULL AS {uuid}), CAST(NULL AS {uuid}), CAST(NULL AS bigint), \
         CAST(NULL AS bigint), CAST(NULL AS bigint), CAST(NULL AS bigint), CAST(NULL AS text), CAST(NULL AS text), \
         CAST(NULL AS {uuid}) FROM outbox_events",
    ),
    (
        "transfer_id",
        "SELECT transfer_id, 6, CAST(NULL AS bigint), CAST(NULL AS {uuid}), CAST(NULL AS {uuid}), \
         CAST(NULL AS bigint), CAST(NULL AS bigint), CAST(NULL AS bigint), CAST(NULL AS bigint), CAST(NULL AS text), \
         CAST(NULL AS text), CAST(NULL AS {uuid}) FROM transfer_keys",
    ),
    (
        "transfer_id",
        "SELECT transfer_id, 7, CAST(NULL AS bigint), CAST(NULL AS {uuid}), CAST(NULL AS {uuid}), \
         CAST(NULL AS bigint), CAST(NULL AS bigint), CAST(NULL AS bigint), CAST(NULL AS bigint), CAST(NULL AS text), \
         CAST(NULL AS text), CAST(NULL AS {uuid}) FROM standing_order_runs",
    ),
];

/// The kinds that have no index on the transfer they name, and are looked at only where all are.
const UNINDEXED: [usize; 2] = [6, 7];

/// Holds every transfer against what names it.
///
/// # Errors
/// When the database cannot answer.
pub async fn check_all(snapshot: &Snapshot, findings: &mut Findings, mut told: impl FnMut(u64)) -> Result<(), DbErr> {
    let parts = TIES.iter().enumerate().map(|(kind, (column, sql))| match kind {
        0 => (*sql).to_owned(),
        5 => format!("{sql} WHERE kind = 'transfer.expired'"),
        _ => format!("{sql} WHERE {column} IS NOT NULL"),
    });
    let sql = format!("{} ORDER BY 1, 2", parts.collect::<Vec<_>>().join(" UNION ALL "));
    let (mut of, mut count) = (None, 0);
    snapshot
        .each(&sql, Vec::new(), |tie: Tie| {
            count += 1;
            told(count);
            add(&mut of, tie, findings);
        })
        .await?;
    of.into_iter().for_each(|of: Of| of.judge(findings));
    Ok(())
}

/// The same of a few.
///
/// # Errors
/// When the database cannot answer.
pub async fn check_some(snapshot: &Snapshot, ids: &[Uuid], findings: &mut Findings) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    let list = (1..=ids.len()).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
    let some = TIES.iter().enumerate().filter(|(kind, _)| !UNINDEXED.contains(kind));
    let parts = some.map(|(kind, (column, sql))| match kind {
        5 => format!("{sql} WHERE kind = 'transfer.expired' AND data IS NOT NULL AND {column} IN ({list})"),
        _ => format!("{sql} WHERE {column} IN ({list})"),
    });
    let sql = format!("{} ORDER BY 1, 2", parts.collect::<Vec<_>>().join(" UNION ALL "));
    let values = ids.iter().map(|id| Value::from(*id)).collect();
    let mut of = None;
    // One of them may be settled in any number of parts.
    snapshot.each(&sql, values, |tie: Tie| add(&mut of, tie, findings)).await?;
    of.into_iter().for_each(|of: Of| of.judge(findings));
    Ok(())
}

fn add(of: &mut Option<Of>, tie: Tie, findings: &mut Findings) {
    if of.as_ref().is_none_or(|of| of.id != tie.named)
        && let Some(done) = of.replace(Of::new(tie.named))
    {
        done.judge(findings);
    }
    if let Some(of) = of {
        of.add(tie);
    }
}

/// One transfer, or what names one that is not there.
#[derive(Debug)]
struct Of {
    id: Uuid,
    transfer: Option<Tie>,
    hold: Option<Tie>,
    reversal: Option<Tie>,
    transfers: u32,
    /// Where the first row that names it stands.
    first: Option<i64>,
    posted: i128,
    voided: (u32, i128),
    reversed: (u32, i128),
    expired: u32,
    keys: u32,
    runs: u32,
    strange: (u32, u32),
}

impl Of {
    const fn new(id: Uuid) -> Self {
        Self {
            id,
            transfer: None,
            hold: None,
            reversal: None,
            transfers: 0,
            first: None,
            posted: 0,
            voided: (0, 0),
            reversed: (0, 0),
            expired: 0,
            keys: 0,
            runs: 0,
            strange: (0, 0),
        }
    }

    fn add(&mut self, tie: Tie) {
        self.first = self.first.or(tie.position);
        let amount = i128::from(tie.n1.unwrap_or_default());
        let of = self.transfer.as_ref();
        let same = of.is_some_and(|of| (of.a, of.b, &of.t2) == (tie.a, tie.b, &tie.t2) && of.position < tie.position);
        let back = of.is_some_and(|of| (of.b, of.a, &of.t2) == (tie.a, tie.b, &tie.t2) && of.position < tie.position);
        match tie.kind {
            0 => {
                self.transfers += 1;
                self.transfer = Some(tie);
            }
            1 => self.hold = Some(tie),
            2 => self.reversal = Some(tie),
            3 => {
                self.strange.0 += u32::from(!same);
                match tie.t1.as_deref() {
                    Some("posted") => self.posted += amount,
                    Some("voided") => self.voided = (self.voided.0 + 1, self.voided.1 + amount),
                    _ => self.strange.0 += 1,
                }
            }
            4 => {
                self.strange.1 += u32::from(!back || tie.t1.as_deref() != Some("posted"));
                self.reversed = (self.reversed.0 + 1, self.reversed.1 + amount);
            }
            5 => self.expired += 1,
            6 => self.keys += 1,
            _ => self.runs += 1,
        }
    }

    fn judge(&self, findings: &mut Findings) {
        let position = self.transfer.as_ref().and_then(|transfer| transfer.position).or(self.first);
        let place = Place { position, ..Place::default() }.with(self.id);
        let exists = self.transfers == 1;
        let missing = || "names a transfer that does not exist".to_owned();
        if self.transfers > 1 {
            findings.add(Invariant::Positions, place.clone(), "several transfers have one id");
        }
        if self.keys > 0 {
            findings.check(Invariant::Keys, &place, exists, missing);
        }
        if self.runs > 0 {
            findings.check(Invariant::StandingOrders, &place, exists && self.runs == 1, || match exists {
                true => "names a transfer that another date names, too".to_owned(),
                false => missing(),
            });
        }
        self.judge_hold(findings, &place);
        self.judge_reversal(findings, &place);
    }

    fn judge_hold(&self, findings: &mut Findings, place: &Place) {
        let pending = self.transfer.as_ref().filter(|transfer| transfer.t1.as_deref() == Some("pending"));
        let settled = self.posted > 0 || self.voided.0 > 0 || self.strange.0 > 0 || self.expired > 0;
        let (Some(transfer), Some(hold)) = (pending, &self.hold) else {
            if pending.is_some() || self.hold.is_some() || settled {
                let said = match (pending, &self.hold) {
                    (Some(_), None) => "a pending transfer without its hold",
                    (None, _) => "a hold, or what settles one, without its pending transfer",
                    (Some(_), Some(_)) => "",
                };
                findings.check(Invariant::Holds, place, false, || said.to_owned());
            }
            return;
        };
        let number = |of: Option<i64>| i128::from(of.unwrap_or_default());
        let (amount, posted, released) = (number(hold.n1), number(hold.n3), number(hold.n4));
        let left = amount - posted - released;
        let made = (hold.a, hold.b, hold.n1, hold.n2) == (transfer.a, transfer.b, transfer.n1, transfer.n2);
        let ended = match hold.t1.as_deref() {
            Some("open") => left > 0 && released == 0 && self.voided.0 == 0 && self.expired == 0,
            Some("posted") => left == 0 && posted > 0,
            Some("voided") => left == 0 && posted == 0 && self.voided.0 == 1,
            Some("expired") => left == 0 && posted == 0 && self.expired == 1,
            _ => false,
        };
        // What was let go with the last post has no transfer of its own.
        let let_go = self.voided.0 + self.expired <= 1 && (self.voided.0 == 0 || self.voided.1 == released);
        let sums = posted == self.posted && posted >= 0 && released >= 0 && left >= 0;
        findings.check(Invariant::Holds, place, made && ended && let_go && sums && self.strange.0 == 0, || {
            format!(
                "a hold of {amount}, {}: {posted} posted and {released} released; transfers posted {} and voided {}",
                hold.t1.as_deref().unwrap_or_default(),
                self.posted,
                self.voided.1
            )
        });
    }

    fn judge_reversal(&self, findings: &mut Findings, place: &Place) {
        let row = self.reversal.as_ref();
        if row.is_none() && self.reversed.0 == 0 {
            return;
        }
        let original = self.transfer.as_ref();
        let amount = original.and_then(|original| original.n1);
        let may_be = original.is_some_and(|of| of.t1.as_deref() == Some("posted") && of.back.is_none());
        let recorded = row.is_some_and(|row| row.n1 == amount && row.n3.map(i128::from) == Some(self.reversed.1));
        let bounded = amount.is_some_and(|amount| self.reversed.1 <= i128::from(amount));
        findings.check(Invariant::Reversals, place, may_be && recorded && bounded && self.strange.1 == 0, || {
            let says = row.and_then(|row| row.n3).map_or("nothing".to_owned(), |reversed| reversed.to_string());
            let amount = amount.map_or("no".to_owned(), |amount| amount.to_string());
            format!("reversals pay back {} of {amount}, and {says} is recorded", self.reversed.1)
        });
    }
}
