//! The ledger's copy: written to a file, read into an empty database, and held against the first.

use std::fs;
use std::time::Duration;

use sqlx::{Connection, PgConnection};

use super::run::Ran;
use super::{Ground, grouped};
use crate::failure::Failure;
use crate::postgres::folder_on_disk;
use crate::report::{Detail, Report};

/// What two copies of a ledger agree on: the chain's end, every account as it is recorded, and how much there is.
const SEEN: &str = "SELECT (SELECT h::text FROM ledger_head h), \
                    (SELECT md5(string_agg(a::text, ';' ORDER BY a.id)) FROM accounts a), \
                    (SELECT sum(balance)::bigint FROM accounts), (SELECT sum(amount)::bigint FROM entries), \
                    (SELECT count(*) FROM transfers), (SELECT count(*) FROM entries)";

/// The copy is verified, too, where the ledger was within this time: `import` has checked its chain and its sums itself.
const VERIFY_AGAIN: Duration = Duration::from_secs(120);

type Seen = (String, String, i64, i64, i64, i64);

/// Exports, imports, compares and verifies the copy.
pub async fn make(
    ground: &Ground<'_>,
    verified: Ran,
    report: &mut Report,
    commands: &mut Vec<Vec<String>>,
) -> Result<(), Failure> {
    let (folder, transfers) = (folder_on_disk()?, ground.recorded());
    let file = folder.path().join("ledger");
    let ran = ground.run("export", &ground.postgres.url, &["--out".as_ref(), file.as_os_str()]).await?;
    let bytes = fs::metadata(&file)?.len();
    ran.tell("export", transfers, report);
    commands.push(ran.cells("export", transfers));

    let url = ground.postgres.make_database("copy").await?;
    ground.run("migrate", &url, &[]).await?;
    let ran = ground.run("import", &url, &[file.as_os_str()]).await?;
    ran.tell("import", transfers, report);
    commands.push(ran.cells("import", transfers));

    let (first, copy) = (seen(&ground.postgres.url).await?, seen(&url).await?);
    if first != copy {
        return Err(Failure::said(format!("the copy is another ledger: {copy:?}, and not {first:?}")));
    }
    let count = i64::try_from(transfers).unwrap_or(i64::MAX);
    let found = (first.2, first.3, first.4, first.5);
    if found != (0, 0, count, 2 * count) {
        let words = "sum of balances, sum of entries, transfers, entries";
        return Err(Failure::said(format!("{words} are {found:?}, but {count} transfers were acknowledged")));
    }
    if verified.took <= VERIFY_AGAIN {
        let ran = ground.run("verify", &url, &[]).await?;
        commands.push(ran.cells("verify of the copy", transfers));
    }
    sizes([&ground.postgres.url, &url], bytes, transfers, report).await
}

async fn seen(url: &str) -> Result<Seen, Failure> {
    Ok(sqlx::query_as(SEEN).fetch_one(&mut PgConnection::connect(url).await?).await?)
}

/// What a transfer takes: in the database with its indexes and entries, and in the file.
async fn sizes(database: [&str; 2], file: u64, transfers: u64, report: &mut Report) -> Result<(), Failure> {
    let each = |bytes: f64| format!("{:.0}", bytes / transfers as f64);
    let mut rows = Vec::new();
    for (name, url) in ["database that was posted to", "database that was imported into"].into_iter().zip(database) {
        let mut connection = PgConnection::connect(url).await?;
        let sql = "SELECT pg_database_size(current_database())::float8";
        rows.push(vec![name.to_owned(), each(sqlx::query_scalar(sql).fetch_one(&mut connection).await?)]);
    }
    rows.push(vec!["file".to_owned(), each(file as f64)]);
    let title = format!("Bytes per transfer, of {}", grouped(transfers));
    report.details.push(Detail { title, head: vec!["where", "bytes"], rows });
    Ok(())
}
