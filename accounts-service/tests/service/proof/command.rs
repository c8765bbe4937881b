//! `accounts-service verify`: what it prints, and by which code it ends.

use std::process::{Command, Output};

use accounts_service::db::Database;
use sea_orm::ConnectionTrait;
use serde_json::Value;

use super::world::{Copy, make};
use crate::stack::{SECRET, Which, on_database};

fn verify(url: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_accounts-service"));
    command.arg("verify").args(arguments);
    command.env("TOLLGATE_ACCOUNTS__DATABASE__URL", url).env("TOLLGATE_ACCOUNTS__IDENTITY__SECRET", SECRET);
    command.output().unwrap()
}

fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn it_ends_by_what_it_found() {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            make(&url).await;
            let (code, report, progress) = said(&verify(&url, &[]));
            assert_eq!((code, report.contains("The ledger is sound.")), (0, true), "{report}{progress}");
            assert!(progress.contains("verify: accounts and holds"), "{progress}");
            assert_eq!(progress.contains("this is a primary"), matches!(which, Which::Postgres), "{progress}");
            let (code, report, _) = said(&verify(&url, &["--json"]));
            let report: Value = serde_json::from_str(&report).unwrap();
            assert_eq!((code, &report["status"], &report["violations_total"]), (0, &"sound".into(), &0.into()));
            assert_eq!(
                (&report["first_broken_batch"], report["invariants"].as_array().unwrap().len()),
                (&Value::Null, 18)
            );

            // The head's link, kept elsewhere, and what it is not.
            let head = format!("{}:{}", report["head"]["batch_no"], report["head"]["hash"].as_str().unwrap());
            assert_eq!(verify(&url, &["--expect", &head]).status.code(), Some(0));
            let (code, report, _) = said(&verify(&url, &["--expect", &format!("3:{}", "0".repeat(64))]));
            assert_eq!((code, report.contains("First broken batch: ")), (1, true), "{report}");
            assert!(report.contains("batch 3, position "), "{report}");

            let copy = Copy::of(&url).await;
            copy.change(&["UPDATE transfers SET description = 'x' WHERE position <= 2".to_owned()]).await;
            let (code, report, _) = said(&verify(&copy.url, &[]));
            assert_eq!(code, 1, "{report}");
            assert!(
                report.contains("First broken batch: 2023-11, batch 1, position 1, 2023-11-14T22:13:20"),
                "{report}"
            );
            let (code, report, _) = said(&verify(&copy.url, &["--json", "--most", "1"]));
            let report: Value = serde_json::from_str(&report).unwrap();
            let first = &report["first_broken_batch"];
            assert_eq!((code, &first["batch_no"], &first["month"]), (1, &1.into(), &"2023-11".into()), "{report}");
            assert_eq!(
                (&first["invariant"], report["violations"].as_array().unwrap().len()),
                (&"chain_contents".into(), 1)
            );
            // What lies before the month is not looked at.
            let (code, report, _) = said(&verify(&copy.url, &["--from", "2026-01"]));
            assert_eq!(code, 0, "{report}");
            copy.remove().await;
        });
    }
}

#[test]
fn it_ends_with_two_when_nothing_can_be_said() {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            for arguments in [["--from", "2026-13"], ["--from", "now"], ["--expect", "7:00"], ["--nothing", "x"]] {
                assert_eq!(verify(&url, &arguments).status.code(), Some(2), "{arguments:?}");
            }
            // Nobody has migrated it; of SQLite there is no file yet, and none is made.
            let (code, report, error) = said(&verify(&url, &[]));
            assert_eq!((code, report.as_str()), (2, ""), "{error}");
            let file = url.trim_start_matches("sqlite://");
            assert!(!std::path::Path::new(file).exists(), "who only reads makes nothing");
            let db = Database::connect(&url, 1).await.unwrap();
            db.migrate().await.unwrap();
            assert_eq!(verify(&url, &[]).status.code(), Some(0));
            for (sql, told) in [
                ("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_later', 1)", "m9999_later"),
                ("DELETE FROM seaql_migrations WHERE version LIKE '%_checks' OR version = 'm9999_later'", "_checks"),
            ] {
                db.pool.execute_unprepared(sql).await.unwrap();
                let (code, report, error) = said(&verify(&url, &[]));
                assert_eq!((code, report.as_str(), error.contains(told)), (2, "", true), "{error}");
            }
            db.pool.close().await.unwrap();
        });
    }
    let (code, report, error) = said(&verify("postgres://nobody@127.0.0.1:1/nothing", &[]));
    assert_eq!((code, report.as_str(), error.is_empty()), (2, "", false));
}
