//! Following the chain: the batches that are new since the last look, with their transfers, entries, events and what these
//! settle, as `verify` would look at them.

use sea_orm::{DbBackend, DbErr, FromQueryResult, Value};
use uuid::Uuid;

use super::finding::{Findings, Place};
use super::invariant::Invariant;
use super::line::{Line, Tables};
use super::snapshot::Snapshot;
use super::verify::{Head, head};
use super::walk::{Chain, Start, Walk};
use super::watch::Watch;
use super::{exchanges, references, settled};

/// Batches looked at in one round, however small they are.
const BATCHES: u32 = 500;

/// Positions looked at in one round: what claims to be longer is a broken batch, and is not read to its end.
const MOST_POSITIONS: i64 = 1 << 17;

/// Transfers of a round that settle something or are settled, and are held against what they name.
const SETTLED: usize = 500;

#[derive(FromQueryResult)]
struct Next {
    first_position: i64,
    last_position: i64,
}

/// Looks at what follows, at most about `rows` rows of it, and says how far that is.
///
/// # Errors
/// When the database cannot answer.
pub async fn follow(snapshot: &Snapshot, watch: &Watch, rows: u32, findings: &mut Findings) -> Result<Chain, DbErr> {
    let sql = format!(
        "SELECT first_position, last_position FROM ledger_batches WHERE first_position > $1 \
         ORDER BY first_position LIMIT {BATCHES}"
    );
    let next: Vec<Next> = snapshot.all(&sql, vec![Value::from(watch.position)]).await?;
    let Some((last, count)) = within(&next, rows) else {
        at_the_end(&head(snapshot).await?, &watch.chain(), findings);
        return Ok(watch.chain());
    };
    // Whatever stands between the batches belongs to it: so from where the last one ended.
    let (from, to) = (watch.position + 1, last.min(last_from(&next).saturating_add(MOST_POSITIONS)));
    let start = Start { chain: watch.chain(), whole: watch.batch_no == 0 };
    let mut walk = Walk::new(start, usize::MAX);
    std::mem::swap(&mut walk.findings, findings);
    let lines: Vec<Line> = snapshot.all(&stretch_of(snapshot, from, to), Vec::new()).await?;
    let mut named = Vec::new();
    for line in lines {
        named.extend(names(&line));
        walk.step(line);
    }
    walk.finish();
    std::mem::swap(&mut walk.findings, findings);
    named.sort_unstable();
    named.dedup();
    named.truncate(SETTLED);
    settled::check_some(snapshot, &named, findings).await?;
    exchanges::check_some(snapshot, (from, to), findings).await?;
    // In the first format references were free to repeat.
    if let Some((since, 2..)) = walk.formats.last() {
        references::check_some(snapshot, (*since, to), findings).await?;
    }
    if count == next.len() && next.len() < BATCHES as usize {
        at_the_end(&head(snapshot).await?, &walk.chain, findings);
    }
    Ok(walk.chain)
}

/// How far so many rows reach: the last position, and how many batches that is; one at least.
fn within(next: &[Next], rows: u32) -> Option<(i64, usize)> {
    let mut left = i64::from(rows);
    let mut fits = |batch: &&Next| {
        let first = left == i64::from(rows);
        left = left.saturating_sub(batch.last_position.saturating_sub(batch.first_position).saturating_add(1));
        first || left >= 0
    };
    let fitting: Vec<_> = next.iter().take_while(|batch| fits(batch)).map(|batch| batch.last_position).collect();
    fitting.iter().max().map(|last| (*last, fitting.len()))
}

/// Where the last batch begins that was found.
fn last_from(next: &[Next]) -> i64 {
    next.iter().map(|batch| batch.first_position).max().unwrap_or_default()
}

/// The head is where the chain ends.
fn at_the_end(head: &Head, chain: &Chain, findings: &mut Findings) {
    let place = Place { batch_no: Some(chain.batch_no + 1), ..Place::at(chain.last + 1) };
    let same = (head.batch_no, &head.hash) == (chain.batch_no, &chain.hash);
    findings.check(Invariant::ChainLinks, &place, same, || {
        format!("the head is at batch {}, and the last batch is {}", head.batch_no, chain.batch_no)
    });
}

/// Lines of a stretch. Entries have no index on their position on PostgreSQL: they are found from the accounts of the
/// transfers, by the numbers that these had at both ends.
fn stretch_of(snapshot: &Snapshot, from: i64, to: i64) -> String {
    let between = format!("position >= {from} AND position <= {to}");
    let accounts = format!(
        "SELECT debit_account_id AS account FROM transfers WHERE {between} \
         UNION SELECT credit_account_id FROM transfers WHERE {between}"
    );
    let entries = match snapshot.backend() {
        DbBackend::Postgres => format!(
            "(SELECT e.* FROM (SELECT u.account, seq_at(u.account, {from} - 1) AS low, seq_at(u.account, {to}) AS high \
             FROM ({accounts}) AS u) AS s JOIN entries e ON e.account_id = s.account AND e.seq > s.low \
             AND e.seq <= s.high)"
        ),
        _ => format!(
            "(SELECT e.* FROM ({accounts}) AS u JOIN entries e ON e.account_id = u.account AND e.position >= {from} \
             AND e.position <= {to})"
        ),
    };
    Tables { entries, ..Tables::whole() }.lines(&between)
}

/// The transfers that a line is about, where it is a transfer that settles something or is to be settled.
fn names(line: &Line) -> impl Iterator<Item = Uuid> + use<> {
    let transfer = line.kind == 1;
    let own = line.id.filter(|_| line.t2.as_deref() == Some("pending"));
    [own, line.u1, line.u2].into_iter().flatten().filter(move |_| transfer)
}
