//! Mistakes in a configuration are reported all at once, each with its place.

use std::ffi::OsStr;
use std::process::Command;

use serde_json::Value;
use tests::backends::binary;
use tests::{Backend, Stack};

/// The gateway's command line: whether all went well, what it prints, and what it complains of.
fn gateway(args: &[&OsStr], env: &[(&str, String)]) -> (bool, String, String) {
    let env = env.iter().map(|(key, value)| (format!("TOLLGATE_GATEWAY__{key}"), value));
    let output =
        Command::new(binary("gateway").expect("the binary is built")).args(args).envs(env).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn every_mistake_of_a_service_is_reported() {
    for (service, prefix, known) in [
        ("gateway", "TOLLGATE_GATEWAY__", "SERVER__LISTEN"),
        ("users-service", "TOLLGATE_USERS__", "SERVER__LISTEN"),
        ("accounts-service", "TOLLGATE_ACCOUNTS__", "SERVER__LISTEN"),
    ] {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "[server]\nworkers = \"many\"\n[nonsense]\nkey = 1\n").expect("written");
        let output = Command::new(binary(service).expect("the binary is built"))
            .args(["check-config", "--config"])
            .arg(file.path())
            .env(format!("{prefix}{known}"), "not an address")
            .env(format!("{prefix}IDENTITY__SECRET"), "short")
            .env(format!("{prefix}SERVER__LISTNE"), "127.0.0.1:1")
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success(), "{service}: {said}");
        let at = |line: u32| format!("{}:{line}", file.path().display());
        for mistake in [&at(2), &at(3), "SERVER__LISTEN", "SERVER__LISTNE", "identity.secret", "did you mean"] {
            assert!(said.contains(mistake), "{service} does not name {mistake}:\n{said}");
        }
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[test]
fn a_stack_says_in_one_line_that_its_port_is_taken() {
    let (data, taken) =
        (tempfile::tempdir().expect("a folder"), std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port"));
    let addr = taken.local_addr().expect("bound").to_string();
    let output = Command::new(binary("stack").expect("the binary is built"))
        .env("TOLLGATE_DATA_DIR", data.path())
        .env("TOLLGATE_GATEWAY__SERVER__LISTEN", &addr)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(
        said.lines().count() == 1 && said.contains(&addr) && said.contains("TOLLGATE_GATEWAY__SERVER__LISTEN"),
        "{said}"
    );
}

#[test]
fn what_holds_and_what_would_change_are_printed_without_secrets() {
    let file = |text: &str| {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        file
    };
    let secret = "an assertion secret for the tests, long enough";
    let old = file(&format!("identity.secret = \"{secret}\"\nredis.url = \"redis://:hunter2@r\"\n"));
    let new = file(&format!(
        "identity.secret = \"another{secret}\"\nserver.max_in_flight = 7\nupstreams = [{{ name = \"shop\", url = \"http://shop\" }}]\n"
    ));
    let broken = file("[server]\nmax_in_flihgt = 7\n");
    let run = |args: &[&OsStr]| gateway(args, &[]);
    let (old, new, broken) = (old.path().as_os_str(), new.path().as_os_str(), broken.path().as_os_str());
    for format in ["toml", "json"] {
        let (fine, shown, said) =
            run(&["config".as_ref(), "--format".as_ref(), format.as_ref(), "--config".as_ref(), old]);
        assert!(fine && shown.contains("***") && shown.contains("/api/transfers"), "{said}{shown}");
        assert!(!shown.contains(secret) && !shown.contains("hunter2"), "{shown}");
    }
    let told = "~ identity.secret: another secret\n~ redis.url: \"***\" -> \"\"\n~ server.max_in_flight: 8192 -> 7\n\
                + upstreams \"shop\": { name = \"shop\", url = \"http://shop\" }\n\
                with a restart only: identity.secret, redis.url\n";
    assert_eq!(
        run(&["diff".as_ref(), "--from".as_ref(), old, "--to".as_ref(), new]),
        (true, told.to_owned(), String::new())
    );
    assert_eq!(run(&["diff".as_ref(), "--from".as_ref(), old, "--config".as_ref(), old]).1, "nothing would change\n");
    let (fine, _, said) = run(&["diff".as_ref(), "--from".as_ref(), old, "--to".as_ref(), broken]);
    assert!(!fine && said.contains(":2: server.max_in_flihgt: unknown key; did you mean `max_in_flight`?"), "{said}");
}

#[test]
fn a_configuration_that_is_fine_is_called_so_and_explained() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let rows = "identity.secret = \"an assertion secret for the tests, long enough\"\n\
                [[versions.served]]\nname = \"v1\"\n[[versions.served]]\nname = \"v2\"\n\
                [[versions.served]]\nname = \"v3\"\nsunset = \"2020-01-01T00:00:00Z\"\n\
                [[routes]]\npath = \"/api/users/{id}\"\nupstream = \"users\"\nroles = [\"support\"]\n\
                [[routes]]\nhost = \"shop.example\"\npath = \"/api/users/{id}\"\nupstream = \"accounts\"\nauth = \"none\"\n";
    std::fs::write(file.path(), rows).expect("written");
    let run = |args: &[&str]| {
        let mut args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
        args.extend([OsStr::new("--config"), file.path().as_os_str()]);
        gateway(&args, &[])
    };
    assert_eq!(run(&["check-config"]), (true, "the configuration is fine\n".to_owned(), String::new()));
    for (args, parts) in [
        (
            &["explain", "GET /api/v2/users/me"][..],
            &["upstream   users ", "/api/v2/users/me", "401 token_required"][..],
        ),
        (&["explain", "GET /api/users/me", "--role", "user"], &["roles      support", "403 forbidden"]),
        (&["explain", "GET /api/users/me", "--role", "user", "--role", "support"], &["verdict    passes"]),
        (&["explain", "GET /api/users/me", "--host", "shop.example"], &["upstream   accounts ", "verdict    passes"]),
        (&["explain", "GET /nothing"], &["404 not_found"]),
    ] {
        let (fine, said, complaint) = run(args);
        assert!(fine && complaint.is_empty(), "{args:?}: {complaint}");
        parts.iter().for_each(|part| assert!(said.contains(part), "{args:?}: {part} is missing in\n{said}"));
    }
    for (question, complaint) in
        [("GET /api/v3/users/me", "410 version_gone: v3 was switched off"), ("GET", "write the")]
    {
        let (fine, said, told) = run(&["explain", question]);
        assert!(!fine && said.is_empty() && told.contains(complaint), "{question}: {told}{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_of_what_runs_is_printed() {
    let stack = Stack::start(Backend::Embedded).await;
    let env = [
        ("SERVICES__USERS__URL", format!("http://{}", stack.users)),
        ("SERVICES__ACCOUNTS__URL", format!("http://{}", stack.accounts)),
        ("IDENTITY__SECRET", stack.assertion_secret.clone()),
    ];
    let print = |args: &'static [&str], env: Vec<(&'static str, String)>| {
        tokio::task::spawn_blocking(move || gateway(&args.iter().map(OsStr::new).collect::<Vec<_>>(), &env))
    };
    let (fine, printed, complaint) = print(&["openapi", "--api-version", "v2"], env.to_vec()).await.expect("it ends");
    assert!(fine, "{complaint}");
    let document: Value = serde_json::from_str(&printed).expect("it is JSON");
    let paths: Vec<_> = document["paths"].as_object().expect("paths").keys().map(String::as_str).collect();
    assert!(paths.contains(&"/api/v2/users/{id}") && paths.contains(&"/api/v2/transfers"), "{paths:?}");
    assert!(!paths.iter().any(|path| path.starts_with("/api/v1/")), "{paths:?}");

    // With a service that is not there it is not the document.
    let mut lacking = env.to_vec();
    lacking[1].1 = "http://127.0.0.1:1".to_owned();
    let (fine, printed, complaint) = print(&["openapi"], lacking).await.expect("it ends");
    assert!(!fine && printed.is_empty() && complaint.contains("not every service answered"), "{complaint}");
}
