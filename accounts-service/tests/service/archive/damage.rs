//! Every kind of damage is refused, with a place, and the ledger is as empty as before.

use accounts_service::archive::{ArchiveError, Dry, TABLES};
use accounts_service::db::Database;
use sea_orm::ConnectionTrait;
use sha2::{Digest, Sha256};
use shared::clock::Clock;

use super::world::{World, serve, stop};
use super::written::hex;
use super::{export, import, migrate};
use crate::stack::{Which, on_database, with_database};

/// The lines of a file, each with its end.
type Lines = Vec<String>;

fn whole(lines: &[String]) -> Vec<u8> {
    lines.concat().into_bytes()
}

/// The first row of a table.
fn first(lines: &[String], table: &str) -> Option<usize> {
    lines.iter().position(|line| line.starts_with(&format!("{{\"{table}\":{{")))
}

/// A file of a ledger with everything in it, and what is done with it once per back-end.
fn with_file(test: impl AsyncFn(Lines, String)) {
    on_database(Which::Sqlite, async |url| {
        let clock = Clock::manual(Clock::system().now());
        let stack = serve(&url, &clock).await;
        World::make(&stack, &clock).await;
        stop(stack).await;
        let file = String::from_utf8(export(&url, &clock).await).unwrap();
        let lines: Lines = file.split_inclusive('\n').map(str::to_owned).collect();
        for table in TABLES {
            assert!(first(&lines, table.name).is_some(), "nothing of {}", table.name);
        }
        for which in [Which::Sqlite, Which::Postgres] {
            with_database(which, async |there| {
                migrate(&there).await;
                test(lines.clone(), there.clone()).await;
                // Nothing was left behind, or this would say so.
                import(&there, &whole(&lines), Dry::No).await.unwrap();
            })
            .await;
        }
    });
}

/// What it is refused with, which has to name a place.
async fn place(url: &str, file: &[u8], name: &str) -> String {
    match import(url, file, Dry::No).await {
        Err(error @ (ArchiveError::Damaged { .. } | ArchiveError::Refused { .. })) => error.to_string(),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn a_file_that_was_cut_is_refused_wherever_it_was_cut() {
    with_file(async |lines, url| {
        let file = whole(&lines);
        let mut cuts = vec![0, 1, file.len() - 1, file.len() - lines.last().unwrap().len()];
        let mut before = 0;
        for (n, line) in lines.iter().enumerate() {
            if n == 0 || line[..8] != lines[n - 1][..8] {
                cuts.push(before + line.len() * (n % 4) / 4);
            }
            before += line.len();
        }
        for cut in cuts {
            let refused = place(&url, &file[..cut], &format!("cut at {cut}")).await;
            let line = file[..cut].iter().filter(|byte| **byte == b'\n').count() + 1;
            assert!(
                refused.starts_with(&format!("line {line} (")) && refused.contains("ends here"),
                "{cut}: {refused}"
            );
        }
    });
}

#[test]
fn a_byte_that_was_flipped_is_found_in_each_kind_of_line() {
    with_file(async |lines, url| {
        let mut kinds: Vec<_> = TABLES.iter().filter_map(|table| first(&lines, table.name)).collect();
        kinds.extend([0, 1, lines.len() - 1]);
        kinds.extend(first(&lines, "mark"));
        for at in kinds {
            let length = lines[at].len();
            for (byte, bit) in (0..length).step_by(length / 4).zip([1, 4].into_iter().cycle()) {
                let mut lines: Vec<Vec<u8>> = lines.iter().map(|line| line.clone().into_bytes()).collect();
                lines[at][byte] ^= bit;
                place(&url, &lines.concat(), &format!("line {}, byte {byte}", at + 1)).await;
            }
        }
    });
}

#[test]
fn lines_that_are_not_where_they_were_are_refused() {
    with_file(async |lines, url| {
        for table in TABLES {
            let at = first(&lines, table.name).unwrap();
            let mut changed = lines.clone();
            changed.insert(at, lines[at].clone());
            let refused = place(&url, &whole(&changed), table.name).await;
            assert!(refused.starts_with(&format!("line {} (", at + 2)), "{} twice: {refused}", table.name);
            let mut changed = lines.clone();
            changed.remove(at);
            place(&url, &whole(&changed), table.name).await;
            let mut changed = lines.clone();
            changed.swap(at, at + 1);
            let refused = place(&url, &whole(&changed), table.name).await;
            assert!(refused.starts_with("line "), "{} swapped: {refused}", table.name);
        }
        let (accounts, limits) = (first(&lines, "accounts").unwrap(), first(&lines, "account_limits").unwrap());
        let mut changed = lines.clone();
        changed.swap(accounts, limits);
        place(&url, &whole(&changed), "of two tables").await;
    });
}

#[test]
fn what_no_export_writes_is_refused() {
    with_file(async |lines, url| {
        let good = whole(&lines);
        let with_first = |from: &str, to: &str| {
            assert!(lines[0].contains(from), "{from}");
            let mut changed = lines.clone();
            changed[0] = lines[0].replacen(from, to, 1);
            whole(&changed)
        };
        // Ids of one millisecond are in no order, so which account comes first is not known.
        let row =
            lines.iter().position(|line| line.starts_with("{\"accounts\"") && line.contains("\"held\":0,")).unwrap();
        let with_row = |from: &str, to: &str| {
            assert!(lines[row].contains(from), "{from}");
            let mut changed = lines.clone();
            changed[row] = lines[row].replacen(from, to, 1);
            whole(&changed)
        };
        let huge = with_row("\"name\":\"", &format!("\"name\":\"{}", "x".repeat(33 << 20)));
        for (file, says) in [
            (
                with_first("\"format\":1", "\"format\":2"),
                "line 1 (from byte 0): a ledger of format 2; this release reads format 1",
            ),
            (with_first("\"format\":1", "\"format\":0"), "of format 0"),
            (with_first("tollgate_ledger", "other_ledger"), "no exported ledger"),
            (with_first("\"accounts\":", "\"accountz\":"), "table `accountz`"),
            (with_first("\"made_at\":", "\"made_at\": "), "not as an export writes it"),
            (with_first("\"made_at\":", "\"more\":1,\"made_at\":"), "not as an export writes it"),
            ([good.as_slice(), b"\n"].concat(), "more behind the last line"),
            ([good.as_slice(), b"x"].concat(), "more behind the last line"),
            ([good.as_slice(), good.as_slice()].concat(), "more behind the last line"),
            ([b"\xef\xbb\xbf", good.as_slice()].concat(), "line 1"),
            (huge, "longer than"),
            (
                with_row("\"name\":\"", &format!("\"name\":\"{}", "x".repeat(2 << 20))),
                "no row of accounts is as long as this",
            ),
            (with_first("\"committed_at\":", "\"committed_at\":9"), "where no ledger goes"),
            (with_first("\"position\":", "\"position\":9"), "where no ledger goes"),
            (with_first("\"made_at\":", "\"made_at\":9"), "where no ledger goes"),
            (with_row("\"held\":0", "\"held\":0.0"), "an integer of 64 bits in `held`"),
            (with_row("\"held\":0", "\"held\":-0"), "`held`"),
            (with_row("\"held\":0", "\"held\":\"0\""), "`held`"),
            (with_row("\"held\":0", "\"held\":null"), "`held`"),
            (with_row("\"held\":0", "\"held\":9223372036854775808"), "`held`"),
            (with_row("\"held\":0", "\"held\":-1"), "its SHA-256 is another one"),
            (with_row("\"held\":0", "\"held\": 0"), "spelt in another way"),
            (with_row("\"held\":0", "\"held\":0,\"held\":0"), "`held` where"),
            (with_row("\"held\":0,", ""), "where `held` has to stand"),
            (with_row("\"limited\":", "\"more\":1,\"limited\":"), "`more` where"),
            (with_row("}}\n", ",\"more\":1}}\n"), "unknown member `more`"),
            (with_row("\"name\":\"", "\"name\":\"\\u0000"), "`name`"),
            (with_row("\"name\":\"", "\"name\":\"\\u0041"), "spelt in another way"),
            (with_row("}}\n", "}}\r\n"), "no record of accounts"),
        ] {
            let refused = place(&url, &file, says).await;
            assert!(refused.contains(says), "{says}: {refused}");
        }
    });
}

/// With marks and an end that fit, as somebody would make them who means it.
pub fn sealed(lines: &[String]) -> Vec<u8> {
    let (mut file, mut hash) = (Vec::new(), Sha256::new());
    for line in lines {
        let mut line = line.clone();
        if line.starts_with("{\"mark\"") || line.starts_with("{\"end\"") {
            let at = line.find("\"sha256\":\"").unwrap() + 10;
            line.replace_range(at..at + 64, &hex(&hash.clone().finalize()));
        }
        hash.update(&line);
        file.extend(line.into_bytes());
    }
    file
}

#[test]
fn a_ledger_that_does_not_hold_together_is_refused_though_its_hashes_fit() {
    with_file(async |lines, url| {
        assert!(sealed(&lines) == whole(&lines));
        // The first line of a table that has this, with that in its place.
        for (table, from, to) in [
            ("transfers", "\"description\":null", "\"description\":\"\""),
            ("transfers", "\"status\":\"pending\"", "\"status\":\"voided\""),
            ("transfers", "\"reversal_of\":null", "\"reversal_of\":\"00000000-0000-0000-0000-000000000000\""),
            ("ledger_batches", "\"format\":2", "\"format\":1"),
            ("ledger_batches", "\"batch_no\":1,", "\"batch_no\":2,"),
            ("ledger_batches", "\"hash\":\"", "\"hash\":\"00"),
            ("entries", "\"seq\":2", "\"seq\":3"),
            ("entries", "\"balance_after\":", "\"balance_after\":1"),
            ("entries", "\"amount\":-", "\"amount\":"),
            ("entries", "\"transfer_id\":\"0", "\"transfer_id\":\"1"),
            ("accounts", "\"balance\":", "\"balance\":1"),
            ("accounts", "\"held\":0", "\"held\":1"),
            ("accounts", "\"seq\":", "\"seq\":1"),
            // The currency of an account that was never used is nothing that anything else depends on.
            ("accounts", "\"USD\",\"status\":\"open\",\"balance\":-", "\"EUR\",\"status\":\"open\",\"balance\":-"),
            ("accounts", "\"limited\":false", "\"limited\":true"),
            ("holds", "\"posted\":0,\"released\":0", "\"posted\":1,\"released\":0"),
            ("holds", "\"amount\":", "\"amount\":1"),
            ("reversals", "\"reversed\":1", "\"reversed\":2"),
            ("external_refs", "\"transfer_id\":\"0", "\"transfer_id\":\"1"),
            ("exchanges", "\"rate_id\":\"0", "\"rate_id\":\"1"),
            ("exchange_rates", "\"rounding_account_id\":\"0", "\"rounding_account_id\":\"1"),
            ("account_labels", "\"account_id\":\"0", "\"account_id\":\"1"),
            ("standing_order_runs", "\"state\":\"posted\"", "\"state\":\"paid\""),
            ("ledger_head", "\"position\":", "\"position\":1"),
            ("outbox_events", "\"position\":", "\"position\":9"),
            ("outbox_events", "\"kind\":\"transfer.posted\"", "\"kind\":\"transfer.voided\""),
            ("external_refs", "\"reference\":\"Ref 1\"", "\"reference\":\"Ref 2\""),
            ("holds", "\"state\":\"voided\"", "\"state\":\"expired\""),
            ("exchange_rates", "\"rate\":\"0.9235\"", "\"rate\":\"0.9236\""),
            ("exchange_rates", "\"position\":", "\"position\":9"),
            ("exchanges", "\"position\":", "\"position\":9"),
            ("transfer_keys", "\"body\":\"0201", "\"body\":\"0211"),
            ("standing_order_runs", "\"transfer_id\":\"0", "\"transfer_id\":\"1"),
            // Somebody else's key, and one that has not ended.
            ("receipt_keys", "\"public_key\":\"", "\"public_key\":\"00"),
            ("receipt_keys", "\"retired_at\":1", "\"retired_at\":2"),
        ] {
            let rows = |line: &String| line.starts_with(&format!("{{\"{table}\":")) && line.contains(from);
            let at = lines.iter().position(rows).unwrap_or_else(|| panic!("{table} has no {from}"));
            let mut changed = lines.clone();
            changed[at] = lines[at].replacen(from, to, 1);
            refused(&url, &changed, &format!("{table} {from}")).await;
        }
    });
}

/// That it is refused for good, though its hashes fit; why.
async fn refused(url: &str, lines: &[String], what: &str) -> String {
    match import(url, &sealed(lines), Dry::No).await {
        Err(refused) => {
            assert!(refused.is_final(), "{what}: {refused:?}");
            refused.to_string()
        }
        Ok(_) => panic!("{what} was imported"),
    }
}

#[test]
fn a_hold_that_was_freed_is_not_imported() {
    with_file(async |lines, url| {
        let mut changed = lines.clone();
        let at = lines.iter().position(|line| line.starts_with("{\"accounts\"") && line.contains("\"held\":100,"));
        let account = &mut changed[at.unwrap()];
        let (before, rest) = account.split_once("\"next_expiry\":").unwrap();
        let (_, rest) = rest.split_once(',').unwrap();
        *account = format!("{}\"next_expiry\":null,{rest}", before.replacen("\"held\":100,", "\"held\":0,", 1));
        let why = refused(&url, &changed, "a hold that was freed").await;
        assert!(why.contains("before its next expiry"), "{why}");
    });
}

#[test]
fn a_ledger_with_anything_in_it_is_not_imported_into() {
    on_database(Which::Sqlite, async |url| {
        migrate(&url).await;
        let file = export(&url, &Clock::system()).await;
        for which in [Which::Sqlite, Which::Postgres] {
            with_database(which, async |there| {
                let unmigrated = import(&there, &file, Dry::No).await;
                assert!(
                    matches!(unmigrated, Err(ArchiveError::Schema(_) | ArchiveError::Database(_))),
                    "{unmigrated:?}"
                );
                migrate(&there).await;
                let db = Database::connect(&there, 1).await.unwrap();
                let run = async |sql: &str| db.pool.execute_unprepared(sql).await.unwrap();
                for (fill, clear, name) in [
                    (
                        "UPDATE ledger_head SET committed_at = 1",
                        "UPDATE ledger_head SET committed_at = 0",
                        "ledger_head",
                    ),
                    ("INSERT INTO exchange_carries SELECT {id}, 1", "DELETE FROM exchange_carries", "exchange_carries"),
                ] {
                    let id = if there.starts_with("sqlite") { "randomblob(16)" } else { "gen_random_uuid()" };
                    run(&fill.replace("{id}", id)).await;
                    let refused = import(&there, &file, Dry::No).await;
                    assert!(matches!(refused, Err(ArchiveError::NotEmpty(of)) if of == name), "{refused:?}");
                    run(clear).await;
                }
                run("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_later', 1)").await;
                let newer = import(&there, &file, Dry::No).await.unwrap_err().to_string();
                assert!(newer.contains("m9999_later") && newer.contains("newer release"), "{newer}");
                run("DELETE FROM seaql_migrations WHERE version = 'm9999_later'").await;
                import(&there, &file, Dry::No).await.unwrap();
                db.pool.close().await.unwrap();
            })
            .await;
        }
    });
}
