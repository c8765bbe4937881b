//! A PostgreSQL to test on: the one that `TEST_DATABASE_URL` names, else a cluster of this process's own.
//!
//! The cluster's keeper is a shell that waits for its standard input to end, which it does when this process is gone,
//! however it went; then it stops the server and removes its folder.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

const URL: &str = "TEST_DATABASE_URL";

const KEEPER: &str = r#"
set -e
folder=$(mktemp -d "${TMPDIR:-/tmp}/tollgate-users-XXXXXX")
trap 'pg_ctl -D "$folder/data" -m immediate stop >/dev/null 2>&1; rm -rf "$folder"' EXIT
initdb -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >/dev/null
pg_ctl -D "$folder/data" -w -l "$folder/log" -o "-p $1 -h 127.0.0.1 -k $folder -c fsync=off -c max_connections=300" start >/dev/null </dev/null
echo ready
read -r _ || true
"#;

struct Cluster {
    url: String,
    _keeper: Child,
}

/// The server's URL, without a database of its own.
pub fn server() -> String {
    match given() {
        Some(url) => url,
        None => cluster().url.clone(),
    }
}

#[expect(clippy::disallowed_methods, reason = "the test's own setting, not the service's")]
fn given() -> Option<String> {
    std::env::var(URL).ok().filter(|url| !url.is_empty())
}

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut keeper = as_nobody_special();
        let keeper = keeper.args(["sh", "-c", KEEPER, "keeper", &port.to_string()]);
        let mut keeper = keeper.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said.trim(), "ready", "no PostgreSQL: install initdb, pg_ctl and postgres, or set {URL}");
        Cluster { url: format!("postgres://postgres@127.0.0.1:{port}/postgres"), _keeper: keeper }
    })
}

/// PostgreSQL refuses to run as root; then it runs as its own user.
fn as_nobody_special() -> Command {
    let id = Command::new("id").arg("-u").output().unwrap();
    if id.stdout.trim_ascii() == b"0" {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "env"]);
        command
    } else {
        Command::new("env")
    }
}
