//! Mistakes in a configuration are reported all at once, each with its place.

use std::process::Command;

use tests::backends::binary;

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
    let run = |args: &[&std::ffi::OsStr]| {
        let output =
            Command::new(binary("gateway").expect("the binary is built")).args(args).output().expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
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
