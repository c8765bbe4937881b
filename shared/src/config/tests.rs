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
    #[serde(default)]
    access: Access,
    #[serde(default)]
    roles: crate::domain::Roles,
    #[serde(default)]
    body: Option<usize>,
    #[serde(default)]
    limits: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Access {
    #[default]
    Open,
    Closed,
}

impl Check for Config {
    fn check(&self, report: &mut Report<'_>) {
        report.ensure(self.server.workers > 0, "server.workers", "at least one worker");
        for (i, route) in self.routes.iter().enumerate() {
            report.ensure(route.path.starts_with('/'), &format!("routes[{i}].path"), "begins with a slash");
            let open = matches!(route.access, Access::Open) || route.roles.is_empty() || route.body.is_none();
            report.ensure(open, &format!("routes[{i}].access"), "closed");
            for limit in &route.limits {
                report.error(&format!("routes[{i}].limits"), format!("there is no policy `{limit}`"));
            }
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
        "demo.toml:3: server.listen: an address and a port, such as 127.0.0.1:8080",
        "demo.toml:4: server.timeout: `fast` is no span of time",
        "TOLLGATE_DEMO__SERVER__WORKERS: server.workers: expected an integer, found `many`",
        "TOLLGATE_DEMO__AUTH__NOPE: auth.nope: unknown key",
        "demo.toml:7: routes[0].path: begins with a slash",
        "demo.toml:9: routes[1].path: begins with a slash",
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
    let both = format!("[auth]\nsecret_file = \"{}\"\nsecret = \"x\"\n", path.display());
    std::fs::write(&path, "hunter22\n").unwrap();
    let errors = read(&both, &[]).unwrap_err();
    assert!(errors.contains("auth.secret: given twice, as `secret` and as `secret_file`"), "{errors}");
    let over =
        read(&format!("[auth]\nsecret_file = \"{}\"\n", path.display()), &[("TOLLGATE_DEMO__AUTH__SECRET", "x")]);
    assert_eq!(over.unwrap().auth.secret.expose(), "x", "a later layer lies over an earlier one");
    std::fs::remove_file(&path).unwrap();
    assert!(read("", &[("TOLLGATE_DEMO__AUTH__SECRET_FILE", "/nonexistent")]).unwrap_err().contains("cannot read"));
}

#[test]
fn mistakes_inside_an_array_of_tables_hide_nothing() {
    let file = r#"
[[routes]]
path = "a"
access = "maybe"
limits = ["nope"]
[[routes]]
pathh = "/b"
roles = ["user",
  "emperor"]
body = "big"
[[routes]]
path = 5
body = -1
limits = 3
"#;
    let errors = read(file, &[("TOLLGATE_DEMO__SERVER__LISTEN", "nowhere")]).unwrap_err();
    let expected = "the configuration of demo has 11 mistake(s):
  demo.toml:3: routes[0].path: begins with a slash
  demo.toml:4: routes[0].access: `maybe` is none of open, closed
  demo.toml:5: routes[0].limits: there is no policy `nope`
  demo.toml:6: routes[1].path: is missing
  demo.toml:7: routes[1].pathh: unknown key; did you mean `path`?
  demo.toml:9: routes[1].roles[1]: `emperor` is none of user, support, treasurer, admin
  demo.toml:10: routes[1].body: expected an integer within its range
  demo.toml:12: routes[2].path: expected text
  demo.toml:13: routes[2].body: expected an integer within its range
  demo.toml:14: routes[2].limits: expected an array
  TOLLGATE_DEMO__SERVER__LISTEN: server.listen: an address and a port, such as 127.0.0.1:8080";
    assert_eq!(errors, expected);
}

#[test]
fn a_row_that_is_no_table_is_one_mistake() {
    let errors = read("routes = [1, {path = \"x\"}]\n[server]\nlisten = \"x\"\nworkers = 0\n", &[]).unwrap_err();
    assert!(errors.contains("demo.toml:1: routes[0]: expected a table"), "{errors}");
    assert!(
        errors.contains("demo.toml:3: server.listen") && errors.contains("demo.toml:4: server.workers"),
        "{errors}"
    );
}

#[test]
fn a_file_that_is_not_there_has_no_lines() {
    let missing = std::path::Path::new("nofile.toml");
    let errors =
        load::<Config>(Spec { service: "demo", defaults: DEFAULTS }, Some(missing), &[]).unwrap_err().to_string();
    assert!(errors.ends_with("\n  nofile.toml: there is no such file"), "{errors}");
}
