//! Beside a running service: an export is of one moment, and an import lets nobody else write.

use std::rc::Rc;
use std::time::{Duration, Instant};

use accounts_service::archive::{self, ArchiveError, Dry};
use accounts_service::db::{Backend, Database};
use futures_util::future::{join, join_all};
use sea_orm::{ConnectionTrait, Statement};
use shared::clock::Clock;

use super::{export, import, migrate};
use crate::client::{pay, user};
use crate::on_both;
use crate::stack::{Stack, Which, on_database, with_database};

on_both!(an_export_beside_writers_is_of_one_moment);

async fn an_export_beside_writers_is_of_one_moment(stack: Rc<Stack>) {
    let who = user();
    let (one, other) = (stack.client.funded(&who, 1_000).await, stack.client.funded(&who, 1_000).await);
    let write = async |writer: usize| {
        for n in 0..40 {
            let (from, to) = if (n + writer).is_multiple_of(2) { (&one, &other) } else { (&other, &one) };
            stack.client.transfer(&who, &format!("{writer}-{n}"), &pay(from, to, 1)).await.expect(201);
        }
    };
    let clock = Clock::system();
    let reading = async {
        let mut files = Vec::new();
        for _ in 0..6 {
            files.push(export(&stack.url, &clock).await);
        }
        files
    };
    let (_, files) = join(join_all((0..8).map(write)), reading).await;
    let heads: Vec<_> = files.iter().map(|file| file.split(|byte| *byte == b'\n').next().unwrap().to_vec()).collect();
    assert!(heads.windows(2).any(|pair| pair[0] != pair[1]), "nothing was written meanwhile");
    for which in [Which::Sqlite, Which::Postgres] {
        with_database(which, async |there| {
            migrate(&there).await;
            for file in &files {
                // It checks balances, entries and the chain up to the head that the file names.
                import(&there, file, Dry::Run).await.unwrap();
            }
        })
        .await;
    }
}

#[test]
fn whoever_writes_meanwhile_and_a_second_import_are_kept_out() {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            migrate(&url).await;
            let file = export(&url, &Clock::system()).await;
            let db = Database::connect(&url, 1).await.unwrap();
            let tx = db.write().await.unwrap();
            tx.execute_unprepared("UPDATE ledger_head SET position = position").await.unwrap();
            let refused = import(&url, &file, Dry::No).await;
            assert!(matches!(refused, Err(ArchiveError::Busy(_))), "{refused:?}");
            drop(tx);
            db.pool.close().await.unwrap();

            // One that is under way for as long as its file has no end.
            let (mut end, pipe) = std::io::pipe().map(|(read, write)| (write, read)).unwrap();
            let backend = Backend::parse(&url).unwrap();
            let importing = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(archive::import(&backend, std::io::BufReader::new(pipe), Dry::No))
            });
            let first = file.iter().position(|byte| *byte == b'\n').unwrap() + 1;
            std::io::Write::write_all(&mut end, &file[..first]).unwrap();
            let patience = Instant::now() + Duration::from_secs(30);
            while !is_taken(&url, which).await {
                assert!(Instant::now() < patience, "the import does not begin");
            }
            let second = import(&url, &file, Dry::Run).await;
            assert!(matches!(second, Err(ArchiveError::Busy(_))), "{second:?}");
            // Who reads is let in.
            assert_eq!(
                export(&url, &Clock::system()).await.iter().filter(|byte| **byte == b'\n').count(),
                lines(&file)
            );
            std::io::Write::write_all(&mut end, &file[first..]).unwrap();
            drop(end);
            importing.join().unwrap().unwrap();
        });
    }
}

/// Whether somebody holds what an import takes.
async fn is_taken(url: &str, which: Which) -> bool {
    let db = Database::connect(url, 1).await.unwrap();
    let taken = match which {
        Which::Sqlite => db.write().await.is_err(),
        Which::Postgres | Which::Shared => {
            let sql = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
                       WHERE l.locktype = 'advisory' AND d.datname = current_database()";
            let statement = Statement::from_string(db.pool.get_database_backend(), sql);
            let row = db.pool.query_one_raw(statement).await.unwrap().unwrap();
            row.try_get_by_index::<i64>(0).unwrap() > 0
        }
    };
    db.pool.close().await.unwrap();
    taken
}

fn lines(file: &[u8]) -> usize {
    file.iter().filter(|byte| **byte == b'\n').count()
}
