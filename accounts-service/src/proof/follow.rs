//! Following the chain: the batches that are new since the last look, with their transfers, entries, events and what these
//! settle, as `verify` would look at them.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, FromQueryResult, Statement, Value};
use uuid::Uuid;

use super::finding::{Findings, Place};
use super::invariant::Invariant;
use super::line::{Line, Tables};
use super::snapshot::Snapshot;
use super::verify::{Head, head};
use super::walk::{Chain, Start, Walk};
use super::watch::Watch;
use super::{exchanges, references, settled};

/// Places of the order of commit that are asked for at once.
const PAGE: u32 = 1_000;

/// Whoever follows reads for one part of the time in so many: after each page they leave the database, and this machine, to
/// others for the rest. One long read and one long pause would take as much, and hold up for longer whoever posts meanwhile.
pub const SHARE: u32 = 8;

/// Bytes of texts that a round reads, about: what transfers say may be far longer than they are.
const BYTES: usize = 8 << 20;

/// Positions of one batch: what claims to be longer is broken, and is not read to its end.
const MOST_POSITIONS: i64 = 1 << 17;

/// Transfers that are held at once against what names them.
const SETTLED: usize = 500;

#[derive(FromQueryResult)]
struct At {
    position: i64,
}

/// How far a round has come.
#[derive(Debug)]
pub struct Followed {
    /// The end of the chain that was looked at.
    pub chain: Chain,
    /// What it came by, to be held against what it names.
    pub ties: Ties,
    /// Whether there is more.
    pub behind: bool,
    /// How long of the time it paused.
    pub paused: Duration,
}

/// What a way along the order of commit came by.
#[derive(Debug, Default)]
pub struct Ties {
    /// Transfers that settle something, are settled or are to be.
    named: Vec<Uuid>,
    /// Where its pages began and ended.
    pages: Vec<(i64, i64)>,
    /// Since when references do not repeat: in the first format they were free to.
    since: Option<i64>,
}

/// Looks at what follows, at about `rows` places of it, and says how far that is. It ends between two batches, and never
/// behind the head: what claims to lie there is no place to go on from. Each page is read in a snapshot of its own, for what
/// lies at or before the head does not change.
///
/// # Errors
/// When the database cannot answer.
pub async fn follow(
    pool: &DatabaseConnection,
    watch: &Watch,
    rows: u32,
    findings: &mut Findings,
) -> Result<Followed, DbErr> {
    let snapshot = Snapshot::of(pool).await?;
    let head = head(&snapshot).await?;
    let start = from(watch, &head, findings);
    check_beyond(&snapshot, &head, findings).await?;
    drop(snapshot);
    let mut way = Way::new(Lent::new(start, findings), rows);
    let ends = way.go(pool, &head).await?;
    let Way { mut lent, mut ties, to, paused, .. } = way;
    let walk = &mut lent.walk;
    walk.finish();
    ties.named.sort_unstable();
    ties.named.dedup();
    ties.since = walk.formats.last().filter(|(_, format)| *format > 1).map(|(since, _)| *since);
    if ends {
        at_the_end(&head, &walk.chain, &mut walk.findings);
    }
    let chain = Chain { last: walk.position.min(to), ..walk.chain.clone() };
    Ok(Followed { chain, ties, behind: !ends, paused })
}

/// Readies the search for what was written since the last round. It may fail: the search then only takes longer.
///
/// # Errors
/// When the database cannot answer.
pub async fn ready(pool: &DatabaseConnection, watch: &Watch) -> Result<(), DbErr> {
    let backend = pool.get_database_backend();
    if backend == DbBackend::Postgres {
        let sql = "SELECT sum_up_places($1)";
        pool.execute_raw(Statement::from_sql_and_values(backend, sql, [watch.position.into()])).await?;
    }
    Ok(())
}

/// Where a round begins: where the last one ended, unless the ledger ends before that by now.
fn from(watch: &Watch, head: &Head, findings: &mut Findings) -> Start {
    let place = Place { batch_no: Some(watch.batch_no), ..Place::default() };
    let goes_on = head.batch_no >= watch.batch_no && head.position >= watch.position;
    findings.check(Invariant::ChainLinks, &place, goes_on, || {
        format!(
            "the head is at batch {} and position {}, before batch {} and position {}, which were looked at",
            head.batch_no, head.position, watch.batch_no, watch.position
        )
    });
    match goes_on {
        true => Start { chain: watch.chain(), whole: watch.batch_no == 0 },
        false => Start::beginning(),
    }
}

/// Nothing stands behind the head.
async fn check_beyond(snapshot: &Snapshot, head: &Head, findings: &mut Findings) -> Result<(), DbErr> {
    if let Some(beyond) = page_end(snapshot, head.position, 1).await? {
        findings.check(Invariant::Positions, &Place::at(beyond), false, || {
            format!("something stands behind position {}, where the head is", head.position)
        });
    }
    Ok(())
}

/// Holds what a way came by against what it names, piece by piece: one that fails is no other's matter.
///
/// # Errors
/// When the database could not answer for one of them.
pub async fn check_ties(pool: &DatabaseConnection, ties: &Ties, findings: &mut Findings) -> Result<(), DbErr> {
    let mut snapshot = Snapshot::of(pool).await?;
    let mut all = Ok(());
    for ids in ties.named.chunks(SETTLED) {
        if let Err(error) = settled::check_some(&snapshot, ids, findings).await {
            // One connection after the other: there may be no second one.
            drop(snapshot);
            (all, snapshot) = (Err(error), Snapshot::of(pool).await?);
        }
    }
    for page in &ties.pages {
        if let Err(error) = check_page(&snapshot, *page, ties.since, findings).await {
            drop(snapshot);
            (all, snapshot) = (Err(error), Snapshot::of(pool).await?);
        }
    }
    all
}

async fn check_page(
    snapshot: &Snapshot,
    (from, to): (i64, i64),
    since: Option<i64>,
    findings: &mut Findings,
) -> Result<(), DbErr> {
    exchanges::check_some(snapshot, (from, to), findings).await?;
    match since {
        Some(since) => references::check_some(snapshot, (from.max(since), to), findings).await,
        None => Ok(()),
    }
}

/// A walk that finds for somebody: what it has found is theirs, also when it is dropped on its way, as by a deadline.
struct Lent<'a> {
    walk: Walk,
    findings: &'a mut Findings,
}

impl<'a> Lent<'a> {
    fn new(start: Start, findings: &'a mut Findings) -> Self {
        let mut walk = Walk::new(start, usize::MAX);
        std::mem::swap(&mut walk.findings, findings);
        Self { walk, findings }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        std::mem::swap(&mut self.walk.findings, self.findings);
    }
}

/// A round's way along the order of commit, page by page: of a page nothing is kept but what it names.
struct Way<'a> {
    lent: Lent<'a>,
    ties: Ties,
    /// Where the last one ended.
    to: i64,
    /// The batch under way: where it begins, and where it says that it ends.
    batch: Option<(i64, i64)>,
    rows: u32,
    bytes: usize,
    paused: Duration,
}

impl<'a> Way<'a> {
    fn new(lent: Lent<'a>, rows: u32) -> Self {
        let to = lent.walk.chain.last;
        Self { lent, ties: Ties::default(), to, batch: None, rows, bytes: BYTES, paused: Duration::ZERO }
    }

    /// Goes as far as this round does: whether that is the end.
    async fn go(&mut self, pool: &DatabaseConnection, head: &Head) -> Result<bool, DbErr> {
        let mut pause = Duration::ZERO;
        while self.to < head.position {
            let spent = self.rows == 0 || self.bytes == 0;
            let within =
                self.batch.filter(|(first, last)| self.to < *last && self.to.saturating_sub(*first) < MOST_POSITIONS);
            let most = match (spent, within) {
                (true, None) => return Ok(false),
                (true, Some((_, last))) => last.min(head.position),
                (false, _) => head.position,
            };
            // With nothing open: a snapshot keeps all others from tidying up, and a session that idles in one is ended.
            tokio::time::sleep(pause).await;
            self.paused += pause;
            let began = Instant::now();
            let page = Snapshot::of(pool).await?;
            page.allow_ranges().await?;
            let size = if spent { PAGE } else { PAGE.min(self.rows) };
            let end = page_end(&page, self.to, size).await?;
            let (from, to) = (self.to + 1, end.map_or(most, |end| end.min(most)));
            self.read(&page, (from, to)).await?;
            self.ties.pages.push((from, to));
            self.to = to;
            pause = began.elapsed() * (SHARE - 1);
        }
        Ok(true)
    }

    /// Reads a page, line by line.
    async fn read(&mut self, snapshot: &Snapshot, (from, to): (i64, i64)) -> Result<(), DbErr> {
        let mut before = None;
        let lines = stretch_of(snapshot, from, to);
        snapshot
            .each(&lines, Vec::new(), |line: Line| {
                if before.replace(line.position) != Some(line.position) {
                    self.rows = self.rows.saturating_sub(1);
                }
                self.bytes = self.bytes.saturating_sub(length(&line));
                if let (0, Some(last)) = (line.kind, line.n2) {
                    self.batch = Some((line.position, last));
                }
                self.ties.named.extend(names(&line));
                self.lent.walk.step(line);
            })
            .await
    }
}

/// Where a page of so many rows of any table ends, after a position; none: there are not so many.
async fn page_end(snapshot: &Snapshot, after: i64, size: u32) -> Result<Option<i64>, DbErr> {
    let mut end: Option<i64> = None;
    for (table, column) in
        [("transfers", "position"), ("outbox_events", "position"), ("ledger_batches", "first_position")]
    {
        let sql = format!(
            "SELECT {column} AS position FROM {table} WHERE {column} > $1 ORDER BY {column} LIMIT 1 OFFSET {}",
            size - 1
        );
        let found: Option<At> = snapshot.all(&sql, vec![Value::from(after)]).await?.pop();
        end = end.into_iter().chain(found.map(|at| at.position)).min();
    }
    Ok(end)
}

/// Bytes of its texts.
fn length(line: &Line) -> usize {
    let Line { t3, t4, t5, .. } = line;
    [t3, t4, t5].into_iter().flatten().map(String::len).sum()
}

/// The head is where the chain ends, and not before what the last batch says.
fn at_the_end(head: &Head, chain: &Chain, findings: &mut Findings) {
    let place = Place { batch_no: Some(chain.batch_no + 1), ..Place::default() };
    let same = (head.batch_no, &head.hash) == (chain.batch_no, &chain.hash) && head.position >= chain.last;
    findings.check(Invariant::ChainLinks, &place, same, || {
        format!(
            "the head is at batch {} and position {}, and the last batch is {}, up to position {}",
            head.batch_no, head.position, chain.batch_no, chain.last
        )
    });
}

/// Lines of a stretch. PostgreSQL finds entries by where they lie; on SQLite their index begins with their account.
fn stretch_of(snapshot: &Snapshot, from: i64, to: i64) -> String {
    let between = format!("position >= {from} AND position <= {to}");
    if snapshot.backend() == DbBackend::Postgres {
        return Tables::whole().lines(&between);
    }
    let accounts = format!(
        "SELECT debit_account_id AS account FROM transfers WHERE {between} \
         UNION SELECT credit_account_id FROM transfers WHERE {between}"
    );
    let entries = format!(
        "(SELECT e.* FROM ({accounts}) AS u JOIN entries e ON e.account_id = u.account AND e.position >= {from} \
         AND e.position <= {to})"
    );
    Tables { entries, ..Tables::whole() }.lines(&between)
}

/// The transfers that a line is about, where it is a transfer that settles something or is to be settled.
fn names(line: &Line) -> impl Iterator<Item = Uuid> + use<> {
    let transfer = line.kind == 1;
    let own = line.id.filter(|_| line.t2.as_deref() == Some("pending"));
    [own, line.u1, line.u2].into_iter().flatten().filter(move |_| transfer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_walk_has_found_is_kept_when_it_is_given_up_on_its_way() {
        let mut findings = Findings::new(5);
        findings.check(Invariant::Positions, &Place::at(1), false, String::new);
        let mut way = Way::new(Lent::new(Start::beginning(), &mut findings), 1);
        way.lent.walk.findings.check(Invariant::ChainLinks, &Place::at(2), false, String::new);
        drop(way);
        let places: Vec<_> = findings.kept.iter().map(|violation| violation.place.position).collect();
        assert_eq!(places, [Some(1), Some(2)]);
    }
}
