//! `verify`: the whole ledger, streamed once in the order of commit and once by each thing that names a transfer, in one
//! snapshot. What is kept meanwhile is a fold per account.

use sea_orm::{DbErr, FromQueryResult, Value};

use super::finding::{Findings, Place, Violation};
use super::invariant::Invariant;
use super::line::Line;
use super::snapshot::Snapshot;
use super::walk::Chain;
use super::walk::{Start, Walk};
use super::{balances, exchanges, keys, rates, references, settled};
use crate::db::Month;

/// Lines between two words about how far it is.
const TELL_EVERY: u64 = 250_000;

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Begin with this month; what is not kept by month is looked at whole.
    pub from: Option<Month>,
    /// A batch and the link that it has to have.
    pub expect: Option<Link>,
    /// How many violations are shown.
    pub most: usize,
}

/// A link that somebody has kept elsewhere: whoever can write the whole ledger anew cannot write that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The number of its batch.
    pub batch_no: i64,
    /// The link.
    pub hash: [u8; 32],
}

/// Text that names no link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a link is written as the number of its batch, a colon, and 64 hexadecimal digits")]
pub struct NoLink;

impl std::str::FromStr for Link {
    type Err = NoLink;

    fn from_str(text: &str) -> Result<Self, NoLink> {
        let (number, hash) = text.split_once(':').ok_or(NoLink)?;
        let batch_no = number.parse().ok().filter(|number| *number > 0).ok_or(NoLink)?;
        let hash = hex::decode(hash).ok().and_then(|hash| hash.try_into().ok()).ok_or(NoLink)?;
        Ok(Self { batch_no, hash })
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// What was found, each place with its batch.
    pub findings: Findings,
    /// Transfers that were looked at in their order.
    pub transfers: u64,
    /// Their entries.
    pub entries: u64,
    /// Accounts that have any.
    pub accounts: u64,
    /// The batch before the first one that was looked at.
    pub after: i64,
    /// The end of the chain.
    pub head: Head,
}

/// The end of the chain, as it is recorded.
#[derive(Clone, Debug, Default, FromQueryResult)]
pub struct Head {
    /// The number of the last batch.
    pub batch_no: i64,
    /// The last position.
    pub position: i64,
    /// Its instant, in microseconds since the epoch.
    pub committed_at: i64,
    /// The last link.
    pub hash: Vec<u8>,
}

/// Looks at everything. `tell` hears how far it is, now and then.
///
/// # Errors
/// When the database cannot answer: then nothing is said of the ledger.
pub async fn verify(snapshot: &Snapshot, wanted: Wanted, tell: &dyn Fn(String)) -> Result<Report, DbErr> {
    let start = start(snapshot, wanted.from).await?;
    let (after, whole) = (start.chain.batch_no, start.whole);
    let mut walk = Walk::new(start, wanted.most);
    let mut lines = 0_u64;
    for stretch in snapshot.stretches().await? {
        let from = wanted.from.map_or(i64::MIN, Month::base);
        if stretch.below <= from {
            continue;
        }
        tell(format!("the order of commit: {}", stretch.tables.transfers));
        walk.enter(stretch.from, stretch.below);
        let filter = if whole { "position IS NOT NULL".to_owned() } else { format!("position > {}", walk.chain.last) };
        snapshot
            .each(&stretch.tables.lines(&filter), Vec::new(), |line: Line| {
                lines += 1;
                if lines.is_multiple_of(TELL_EVERY) {
                    tell(format!("{lines} rows in the order of commit"));
                }
                walk.step(line);
            })
            .await?;
    }
    walk.finish();
    let head = check_head(snapshot, &mut walk).await?;
    check_link(snapshot, wanted.expect, &mut walk.findings).await?;
    let Walk { mut findings, accounts, formats, transfers, entries, .. } = walk;
    let folds = accounts.len() as u64;
    tell("accounts and holds".to_owned());
    balances::check_all(snapshot, accounts, whole, &mut findings).await?;
    tell("what names a transfer".to_owned());
    settled::check_all(snapshot, &mut findings, |rows| {
        if rows.is_multiple_of(TELL_EVERY) {
            tell(format!("{rows} rows that name a transfer"));
        }
    })
    .await?;
    tell("keys, references and exchanges".to_owned());
    keys::check_all(snapshot, &mut findings).await?;
    references::check_all(snapshot, &formats, &mut findings).await?;
    exchanges::check_all(snapshot, &mut findings).await?;
    rates::check_all(snapshot, &mut findings).await?;
    name_batches(snapshot, &mut findings).await?;
    Ok(Report { findings, transfers, entries, accounts: folds, after, head })
}

#[derive(FromQueryResult)]
struct Last {
    batch_no: i64,
    last_position: i64,
    posted_at: i64,
    hash: Vec<u8>,
}

/// The end of the chain before a month; its beginning when there is none.
async fn start(snapshot: &Snapshot, from: Option<Month>) -> Result<Start, DbErr> {
    let Some(month) = from else { return Ok(Start::beginning()) };
    let sql = "SELECT batch_no, last_position, posted_at, hash FROM ledger_batches WHERE first_position < $1 \
               ORDER BY first_position DESC LIMIT 1";
    let last: Option<Last> = snapshot.all(sql, vec![Value::from(month.base())]).await?.pop();
    Ok(last.map_or_else(Start::beginning, |Last { batch_no, last_position, posted_at, hash }| Start {
        chain: Chain { batch_no, hash, last: last_position, at: posted_at },
        whole: false,
    }))
}

/// The end of the chain as it is recorded.
///
/// # Errors
/// When the database cannot answer.
pub async fn head(snapshot: &Snapshot) -> Result<Head, DbErr> {
    let sql = "SELECT batch_no, position, committed_at, hash FROM ledger_head WHERE id = 1";
    let head: Option<Head> = snapshot.all(sql, Vec::new()).await?.pop();
    head.ok_or_else(|| DbErr::RecordNotFound("ledger_head".to_owned()))
}

async fn check_head(snapshot: &Snapshot, walk: &mut Walk) -> Result<Head, DbErr> {
    let head = head(snapshot).await?;
    let chain = &walk.chain;
    let holds = (head.batch_no, &head.hash) == (chain.batch_no, &chain.hash)
        && head.position >= walk.position.max(chain.last)
        && head.committed_at >= chain.at;
    let place = Place { batch_no: Some(chain.batch_no.saturating_add(1)), ..Place::at(chain.last.saturating_add(1)) };
    let says = format!(
        "the head is at batch {} and position {}, and the last batch is {}, up to position {}",
        head.batch_no, head.position, chain.batch_no, chain.last
    );
    walk.findings.check(Invariant::ChainLinks, &place, holds, || says);
    Ok(head)
}

async fn check_link(snapshot: &Snapshot, wanted: Option<Link>, findings: &mut Findings) -> Result<(), DbErr> {
    let Some(Link { batch_no, hash }) = wanted else { return Ok(()) };
    let sql =
        "SELECT batch_no, first_position AS last_position, posted_at, hash FROM ledger_batches WHERE batch_no = $1";
    let found: Option<Last> = snapshot.all(sql, vec![Value::from(batch_no)]).await?.pop();
    let place = Place {
        batch_no: Some(batch_no),
        position: found.as_ref().map(|found| found.last_position),
        at: found.as_ref().map(|found| found.posted_at),
        ..Place::default()
    };
    let same = found.is_some_and(|found| found.hash == hash);
    findings
        .check(Invariant::ChainLinks, &place, same, || "the link is not the one that was kept elsewhere".to_owned());
    Ok(())
}

#[derive(FromQueryResult)]
struct Of {
    batch_no: i64,
    last_position: i64,
    posted_at: i64,
}

/// The batch of every place that only a position is known of.
///
/// # Errors
/// When the database cannot answer.
pub async fn name_batches(snapshot: &Snapshot, findings: &mut Findings) -> Result<(), DbErr> {
    let sql = "SELECT batch_no, last_position, posted_at FROM ledger_batches WHERE first_position <= $1 \
               ORDER BY first_position DESC LIMIT 1";
    let unnamed = |violation: &&mut Violation| violation.place.batch_no.is_none();
    for violation in findings.kept.iter_mut().chain(&mut findings.first).filter(unnamed) {
        let Some(position) = violation.place.position else { continue };
        let of: Option<Of> = snapshot.all(sql, vec![Value::from(position)]).await?.pop();
        if let Some(of) = of.filter(|of| of.last_position >= position) {
            violation.place.batch_no = Some(of.batch_no);
            violation.place.at = Some(of.posted_at);
        }
    }
    Ok(())
}
