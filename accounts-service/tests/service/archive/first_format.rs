//! Files that somebody else wrote: the chain's first format, and ledgers that are longer than memory.

use std::io::{BufRead, BufReader, Read, Write};

use accounts_service::archive::{self, ArchiveError, Dry};
use accounts_service::db::Backend;
use shared::clock::Clock;

use super::damage::sealed;
use super::written::Written;
use super::{import, migrate};
use crate::stack::{Which, on_database};

#[test]
fn the_chain_is_followed_in_both_of_its_formats() {
    for which in [Which::Sqlite, Which::Postgres] {
        for (transfers, before) in [(1, 1), (1_700, 2), (1_700, 4), (700, 0)] {
            let mut file = Vec::new();
            Written { transfers, before }.write(&mut file);
            on_database(which, async |url| {
                migrate(&url).await;
                // Entries in the first format are covered by its links: their seq and balance, too.
                import(&url, &file, Dry::No).await.unwrap();
                let mut again = Vec::new();
                let clock = Clock::system();
                archive::export(&Backend::parse(&url).unwrap(), &clock, &mut again).await.unwrap();
                let rest = |file: &[u8]| file.splitn(2, |byte| *byte == b'\n').nth(1).unwrap().to_vec();
                let rows = |file: &[u8]| -> Vec<String> {
                    let rest = String::from_utf8(rest(file)).unwrap();
                    rest.lines().filter(|line| !line.contains("sha256")).map(str::to_owned).collect()
                };
                assert!(rows(&again) == rows(&file), "{transfers} transfers");
            });
        }
    }
}

#[test]
fn more_months_than_one_transaction_can_make_tables_for_are_refused() {
    let mut file = Vec::new();
    Written { transfers: 200, before: 0 }.write(&mut file);
    let mut lines: Vec<_> = String::from_utf8(file).unwrap().split_inclusive('\n').map(str::to_owned).collect();
    let place = |line: &mut String, to: i64| {
        let (before, rest) = line.split_once("\"position\":").unwrap();
        let (_, rest) = rest.split_once(',').unwrap();
        *line = format!("{before}\"position\":{to},{rest}");
    };
    place(&mut lines[0], 900 << 40);
    let transfers = lines.iter_mut().filter(|line| line.starts_with("{\"transfers\""));
    (1..).zip(transfers).for_each(|(n, line)| place(line, (682 + n) << 40));
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            migrate(&url).await;
            let refused = import(&url, &sealed(&lines), Dry::No).await.unwrap_err();
            assert!(refused.is_final(), "{refused:?}");
            // SQLite has no tables of months, and finds out otherwise.
            let told = refused.to_string();
            assert!(matches!(which, Which::Sqlite) || told.contains("more than 120 months"), "{told}");
        });
    }
}

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
}

/// Watches memory while bytes go by.
struct Watched<T> {
    inner: T,
    bytes: u64,
    most: u64,
}

impl<T> Watched<T> {
    const fn of(inner: T) -> Self {
        Self { inner, bytes: 0, most: 0 }
    }

    fn pass(&mut self, bytes: usize) {
        let step = 1 << 20;
        let before = self.bytes / step;
        self.bytes += bytes as u64;
        if self.bytes / step != before {
            self.most = self.most.max(resident());
        }
    }
}

impl<T: Read> Read for Watched<T> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(into)?;
        self.pass(read);
        Ok(read)
    }
}

impl<T: Write> Write for Watched<T> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.pass(written);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

#[test]
fn a_long_ledger_takes_no_more_memory_than_a_short_one() {
    // Of 70 MB. What SQLite keeps of its file is 16 MiB at most, and a page of rows is 4.
    const MORE: u64 = 56 << 20;
    const TRANSFERS: i64 = 80_000;
    let folder = std::env::temp_dir().join(format!("tollgate-long-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("long.ndjson");
    Written { transfers: TRANSFERS, before: 0 }
        .write(&mut std::io::BufWriter::new(std::fs::File::create(&path).unwrap()));
    let length = std::fs::metadata(&path).unwrap().len();
    assert!(length > 70_000_000, "{length}");
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            migrate(&url).await;
            let backend = Backend::parse(&url).unwrap();
            let before = resident();
            let mut file = Watched::of(std::fs::File::open(&path).unwrap());
            let summary = archive::import(&backend, BufReader::new(&mut file), Dry::No).await.unwrap();
            assert_eq!((summary.transfers, summary.bytes, file.bytes), (80_000, length, length));
            assert!(file.most < before + MORE, "reading {length} bytes took {}", file.most - before);
            let mut nowhere = Watched::of(std::io::sink());
            let again = archive::export(&backend, &Clock::system(), &mut nowhere).await.unwrap();
            assert_eq!((again.rows, nowhere.bytes), (summary.rows, again.bytes));
            assert!(nowhere.most < before + MORE, "writing {length} bytes took {}", nowhere.most - before);
        });
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_line_without_an_end_is_not_read_into_memory() {
    on_database(Which::Sqlite, async |url| {
        migrate(&url).await;
        let before = resident();
        let mut endless = Watched::of(BufReader::new(std::io::repeat(b'{').take(1 << 40)));
        let refused = archive::import(&Backend::parse(&url).unwrap(), BufReader::new(&mut endless), Dry::No).await;
        let Err(ArchiveError::Damaged { place, what }) = refused else { panic!("{refused:?}") };
        assert!(place.to_string() == "line 1 (from byte 0)" && what.contains("longer than"), "{place}: {what}");
        assert!(endless.most < before + (96 << 20), "{}", endless.most - before);
        assert!(endless.inner.fill_buf().is_ok());
    });
}
