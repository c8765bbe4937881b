//! What the layers promise: order, all mistakes at once with their places, unknown keys refused, secrets from files.

use std::time::Duration;

use serde::Deserialize;

use super::*;

const DEFAULTS: &str = r#"
[server]
listen = "127.0.0.1:8080"
workers = 2
timeout = "30s"
[auth]
secret = ""
enabled = true
origins = []
[[routes]]
path = "/"
"#;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    server: Server,
    auth: Auth,
    routes: Vec<Route>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Server {
    listen: std::net::SocketAddr,
    workers: u16,
    timeout: Dur,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Auth {
    secret: Secret,
    enabled: bool,
    origins: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Route {
    path: String,
}

impl Check for Config {
    fn check(&self, report: &mut Report<'_>) {
        report.ensure(self.server.workers > 0, "server.workers", "at least one worker");
        for (i, route) in self.routes.iter().enumerate() {
            report.ensure(route.path.starts_with('/'), &format!("routes[{i}].path"), "begins with a slash");
        }
    }
}

fn read(file: &str, env: &[(&str, &str)]) -> Result<Config, String> {
    let path = std::env::temp_dir().join(format!("tollgate-config-{}.toml", uuid::Uuid::new_v4()));
    std::fs::write(&path, file).unwrap();
    let env: Vec<_> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let result = load::<Config>(Spec { service: "demo", defaults: DEFAULTS }, Some(&path), &env);
    std::fs::remove_file(&path).unwrap();
    result.map_err(|errors| errors.to_string().replace(&path.display().to_string(), "demo.toml"))
}

#[test]
fn later_layers_win_and_defaults_fill_the_rest() {
    let config = read(
        "[server]\nworkers = 3\ntimeout = \"250ms\"\n",
        &[
            ("TOLLGATE_DEMO__SERVER__WORKERS", "4"),
            ("TOLLGATE_DEMO__AUTH__ORIGINS", "https://a, https://b"),
            ("TOLLGATE_DEMO__AUTH__ENABLED", "false"),
            ("TOLLGATE_OTHER__X", "1"),
            ("TOLLGATE_DATA_DIR", "x"),
        ],
    )
    .unwrap();
    assert_eq!(config.server.workers, 4);
    assert_eq!(config.server.timeout.get(), Duration::from_millis(250));
    assert_eq!(config.server.listen.port(), 8080);
    assert_eq!(config.auth.origins, ["https://a", "https://b"]);
    assert!(!config.auth.enabled);
}

#[test]
fn every_mistake_is_reported_at_once_with_its_place() {
    let errors = read(
        "[server]\nworkerz = 3\nlisten = \"nowhere\"\ntimeout = \"fast\"\n\n[[routes]]\npath = \"a\"\n[[routes]]\npath = \"b\"\n",
        &[("TOLLGATE_DEMO__SERVER__WORKERS", "many"), ("TOLLGATE_DEMO__AUTH__NOPE", "1")],
    )
    .unwrap_err();
    for line in [
        "demo.toml:2: server.workerz: unknown key; did you mean `workers`?",
        "demo.toml:3: server.listen: invalid socket address syntax",
        "demo.toml:4: server.timeout: `fast` is no span of time",
        "TOLLGATE_DEMO__SERVER__WORKERS: server.workers: expected an integer, found `many`",
        "TOLLGATE_DEMO__AUTH__NOPE: auth.nope: unknown key",
        "demo.toml:6: routes[0].path: begins with a slash",
        "demo.toml:6: routes[1].path: begins with a slash",
    ] {
        assert!(errors.contains(line), "missing «{line}» in:\n{errors}");
    }
    assert!(errors.contains("7 mistake(s)"), "{errors}");
}

#[test]
fn a_file_that_is_no_toml_names_its_line() {
    let errors = read("[server]\nworkers = = 3\n", &[]).unwrap_err();
    assert!(errors.contains("demo.toml:2: "), "{errors}");
}

#[test]
fn secrets_come_from_files_and_do_not_print() {
    let path = std::env::temp_dir().join(format!("tollgate-secret-{}", uuid::Uuid::new_v4()));
    std::fs::write(&path, "hunter22\n").unwrap();
    let config = read("", &[("TOLLGATE_DEMO__AUTH__SECRET_FILE", path.to_str().unwrap())]).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(config.auth.secret.expose(), "hunter22");
    assert!(!format!("{config:?}").contains("hunter22"));
    assert!(read("", &[("TOLLGATE_DEMO__AUTH__SECRET_FILE", "/nonexistent")]).unwrap_err().contains("cannot read"));
}
