//! The commands: what they write where, how they end, and that half a file has no name.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::client::user;
use crate::stack::{SECRET, Stack, Which, on_database, with_database};

use super::migrate;

fn command(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_accounts-service"));
    let set = [("DATABASE__URL", url), ("IDENTITY__SECRET", SECRET)];
    command.args(arguments).envs(set.map(|(name, value)| (format!("TOLLGATE_ACCOUNTS__{name}"), value)));
    command.stdin(Stdio::null());
    command
}

/// How it ends, and what it says.
fn run(url: &str, arguments: &[&str]) -> (i32, String) {
    ended(&command(url, arguments).output().unwrap())
}

fn ended(output: &Output) -> (i32, String) {
    (output.status.code().unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("tollgate-export-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[test]
fn a_ledger_goes_through_a_file_and_a_pipe() {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            let stack = Stack::start(url.clone()).await;
            stack.client.funded(&user(), 10).await;
            let folder = Folder::new();
            let (plain, gzip) = (folder.path("ledger.ndjson"), folder.path("ledger.ndjson.gz"));
            // Beside the service, and over a file that is there.
            std::fs::write(&plain, "old").unwrap();
            for path in [&plain, &gzip] {
                let (code, says) = run(&url, &["export", "--out", path]);
                assert_eq!(code, 0, "{says}");
                assert!(says.contains("wrote 1 transfers") && says.contains("chain head 1 "), "{says}");
            }
            assert_eq!(folder.names(), ["ledger.ndjson", "ledger.ndjson.gz"]);
            for path in [&plain, &gzip] {
                assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
            }
            assert!(std::fs::read(&gzip).unwrap().starts_with(&[0x1f, 0x8b]));
            stack.stop().await;
            with_database(which, async |there| {
                migrate(&there).await;
                for (arguments, says) in [
                    (&["import", &plain, "--dry-run"], "would import 1 transfers"),
                    (&["import", &gzip, "--dry-run"], "would import 1 transfers"),
                ] {
                    let (code, said) = run(&there, arguments);
                    assert!(code == 0 && said.contains(says), "{said}");
                }
                let mut export = command(&url, &["export"]).stdout(Stdio::piped()).spawn().unwrap();
                let pipe = export.stdout.take().unwrap();
                let (code, says) = ended(&command(&there, &["import"]).stdin(pipe).output().unwrap());
                assert!(code == 0 && says.contains("imported 1 transfers"), "{says}");
                assert!(export.wait().unwrap().success());
                let (code, says) = run(&there, &["import", &plain]);
                assert!(code == 1 && says.contains("is not empty"), "{code} {says}");
            })
            .await;
        });
    }
}

#[test]
fn what_cannot_be_done_says_so_and_leaves_no_file() {
    on_database(Which::Sqlite, async |url| {
        migrate(&url).await;
        let folder = Folder::new();
        let file = folder.path("ledger.ndjson");
        assert_eq!(run(&url, &["export", "--out", &file]).0, 0);
        let whole = std::fs::read(&file).unwrap();
        let (cut, garbage) = (folder.path("cut"), folder.path("cut.gz"));
        std::fs::write(&cut, &whole[..whole.len() - 1]).unwrap();
        std::fs::write(&garbage, [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3]).unwrap();
        let missing = format!("sqlite://{}", folder.path("none.db"));
        let away = "postgres://nobody@127.0.0.1:1/none";
        let nowhere = folder.path("none/ledger");
        let folder_itself = folder.0.display().to_string();
        let other = folder.path("other");
        for (url, arguments, code, says) in [
            (url.as_str(), ["import", cut.as_str()], 1, "ends here"),
            (&url, ["import", &garbage], 1, "line 1 (from byte 0)"),
            (&url, ["import", &nowhere], 2, "none/ledger"),
            (away, ["import", &file], 2, "the database"),
            (&missing, ["import", &file], 2, "the database"),
            (&url, ["export", &format!("--out={nowhere}")], 2, "none/ledger"),
            (&url, ["export", &format!("--out={folder_itself}")], 2, "name a file"),
            (away, ["export", &format!("--out={other}")], 2, "the database"),
            (&missing, ["export", &format!("--out={other}")], 2, "the database"),
            ("mysql://x", ["export", "--out=-"], 2, "database.url"),
        ] {
            let (ended, said) = run(url, &arguments);
            assert!(ended == code && said.contains(says), "{arguments:?}: {ended} {said}");
            assert!(!said.contains("nobody"), "{said}");
        }
        // No part of a file stays, and no database was made.
        assert_eq!(folder.names(), ["cut", "cut.gz", "ledger.ndjson"]);
        assert!(!Path::new(&folder.path("none.db")).exists());
    });
}

#[test]
fn a_reader_that_goes_away_and_a_full_disk_end_an_export() {
    on_database(Which::Sqlite, async |url| {
        migrate(&url).await;
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let (code, says) = ended(&command(&url, &["export"]).stdout(full).output().unwrap());
        assert!(code == 2 && says.contains("No space left"), "{says}");
        let (read, write) = std::io::pipe().unwrap();
        drop(read);
        let (code, says) = ended(&command(&url, &["export"]).stdout(write).output().unwrap());
        assert!(code == 2 && says.contains("Broken pipe"), "{says}");
    });
}
