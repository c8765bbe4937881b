//! Keys that name what was made under them: several transfers of a batch, or an exchange.

use std::collections::HashSet;

use sea_orm::{DbErr, FromQueryResult, Value};
use uuid::Uuid;

use super::finding::{Findings, Place};
use super::invariant::Invariant;
use super::snapshot::Snapshot;

/// Keys looked at together.
const PAGE: usize = 50;

/// Bytes of bodies read together, unless one is longer: a body has up to 8,000 ids, or as many refusals.
const BYTES: i64 = 1 << 20;

/// Ids asked for at once.
const IDS: usize = 500;

/// The first bytes of bodies that name something.
const RESULTS: u8 = 1;
const EXCHANGE: u8 = 2;

#[derive(Clone, Debug, FromQueryResult)]
struct Key {
    digest: Uuid,
    transfer_id: Option<Uuid>,
    body: Option<Vec<u8>>,
}

#[derive(FromQueryResult)]
struct Size {
    digest: Uuid,
    bytes: i64,
}

#[derive(FromQueryResult)]
struct Id {
    id: Uuid,
}

/// What keys name.
#[derive(Debug, Default)]
struct Named {
    transfers: Vec<Uuid>,
    exchanges: Vec<Uuid>,
    bodies: Vec<(Uuid, bool)>,
}

/// The bodies that name something.
const NAMING: &str = "transfer_id IS NULL AND substr(body, 1, 1) IN ($2, $3)";

/// Every key whose body names something. Those that name one transfer are held against it where the transfers are.
///
/// # Errors
/// When the database cannot answer.
pub async fn check_all(snapshot: &Snapshot, findings: &mut Findings) -> Result<(), DbErr> {
    let kinds = [RESULTS, EXCHANGE].map(|kind| Value::from(vec![kind]));
    let mut after = Some(Uuid::nil());
    while let Some(from) = after {
        after = check_page(snapshot, from, (NAMING, &kinds), findings).await?;
    }
    Ok(())
}

/// The keys that follow a place among all of them, which are spread evenly; and the place reached, none at the end.
///
/// # Errors
/// When the database cannot answer.
pub async fn check_some(snapshot: &Snapshot, after: Uuid, findings: &mut Findings) -> Result<Option<Uuid>, DbErr> {
    check_page(snapshot, after, ("digest IS NOT NULL", &[]), findings).await
}

/// As many as are read together: where they end, none at the end of all.
async fn check_page(
    snapshot: &Snapshot,
    after: Uuid,
    (filter, values): (&str, &[Value]),
    findings: &mut Findings,
) -> Result<Option<Uuid>, DbErr> {
    let values = |first: Uuid| [&[Value::from(first)], values].concat();
    let sql = format!(
        "SELECT digest, coalesce(CAST(length(body) AS bigint), 0) AS bytes FROM transfer_keys \
         WHERE digest > $1 AND {filter} ORDER BY digest LIMIT {PAGE}"
    );
    let sizes: Vec<Size> = snapshot.all(&sql, values(after)).await?;
    let mut left = BYTES;
    let fitting = sizes.iter().enumerate().take_while(|(n, size)| {
        left = left.saturating_sub(size.bytes);
        *n == 0 || left >= 0
    });
    let Some((_, &Size { digest: last, .. })) = fitting.last() else { return Ok(None) };
    let bound = values(after).len() + 1;
    let sql = format!(
        "SELECT digest, transfer_id, body FROM transfer_keys WHERE digest > $1 AND {filter} AND digest <= ${bound} \
         ORDER BY digest"
    );
    let mut named = Named::default();
    snapshot.each(&sql, [values(after), vec![Value::from(last)]].concat(), |key: Key| named.read(&key)).await?;
    check(snapshot, &named, findings).await?;
    Ok(Some(last))
}

async fn check(snapshot: &Snapshot, named: &Named, findings: &mut Findings) -> Result<(), DbErr> {
    let missing = |what: &str| format!("a key names {what} that does not exist");
    for (table, what, ids) in
        [("transfers", "a transfer", &named.transfers), ("exchanges", "an exchange", &named.exchanges)]
    {
        for ids in ids.chunks(IDS) {
            let list = (1..=ids.len()).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
            let sql = format!("SELECT id FROM {table} WHERE id IN ({list})");
            let there: Vec<Id> = snapshot.all(&sql, ids.iter().map(|id| Value::from(*id)).collect()).await?;
            let there: HashSet<_> = there.into_iter().map(|row| row.id).collect();
            for id in ids {
                let place = Place::default().with(*id);
                findings.check(Invariant::Keys, &place, there.contains(id), || missing(what));
            }
        }
    }
    for (key, readable) in &named.bodies {
        let place = Place::default().named(&key.to_string());
        findings.check(Invariant::Keys, &place, *readable, || format!("what the key {key} keeps cannot be read"));
    }
    Ok(())
}

impl Named {
    fn read(&mut self, key: &Key) {
        self.transfers.extend(key.transfer_id);
        let body = key.body.as_deref().unwrap_or_default();
        let read = match body.split_first() {
            _ if key.transfer_id.is_some() => return,
            Some((&EXCHANGE, id)) => Uuid::from_slice(id).map(|id| self.exchanges.push(id)).is_ok(),
            Some((&RESULTS, items)) => self.results(items).is_some(),
            // A refusal, or what a release of before kept: it names nothing by id.
            Some(_) | None => return,
        };
        self.bodies.push((key.digest, read));
    }

    /// Item by item: 0 and the id of a transfer, or 1, a status, a length and so many bytes of a problem.
    fn results(&mut self, mut items: &[u8]) -> Option<()> {
        while let Some((kind, rest)) = items.split_first() {
            items = match kind {
                0 => {
                    let (id, rest) = rest.split_first_chunk::<16>()?;
                    self.transfers.push(Uuid::from_bytes(*id));
                    rest
                }
                1 => {
                    let (_status, rest) = rest.split_first_chunk::<2>()?;
                    let (length, rest) = rest.split_first_chunk::<4>()?;
                    rest.get(usize::try_from(u32::from_be_bytes(*length)).ok()?..)?
                }
                _ => return None,
            };
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_from_between_refusals_and_nothing_from_what_is_cut_off() {
        let id = Uuid::from_u128(7);
        let refused = [&[1, 1, 0x96, 0, 0, 0, 3][..], b"no!"].concat();
        let body = [&[RESULTS][..], &refused, &[0], id.as_bytes(), &refused].concat();
        let read = |body: &[u8]| {
            let mut named = Named::default();
            named.read(&Key { digest: id, transfer_id: None, body: Some(body.to_vec()) });
            (named.transfers, named.exchanges, named.bodies.iter().filter(|(_, read)| !read).count())
        };
        assert_eq!(read(&body), (vec![id], Vec::new(), 0));
        assert_eq!(read(&[&[EXCHANGE][..], id.as_bytes()].concat()), (Vec::new(), vec![id], 0));
        for cut in [3, 9, 12, 20, body.len() - 1] {
            assert_eq!(read(&body[..cut]).2, 1, "{cut}");
        }
        assert_eq!(read(&[EXCHANGE, 1]).2, 1);
        assert_eq!(read(br#"{"status": 422}"#), Default::default());
    }
}
