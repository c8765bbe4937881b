//! Names: the top level as the map shows it, and no drawer that anything could be put into.

use super::source::Finding;

const TOP: [&str; 13] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "DECISIONS.md",
    "Makefile",
    "README.md",
    "accounts-service",
    "deploy",
    "gateway",
    "shared",
    "tests",
];

const BANNED: [&str; 9] = ["mod", "common", "utils", "util", "helpers", "helper", "misc", "manager", "stuff"];

pub fn top_level(names: &[String]) -> Vec<Finding> {
    let wanted = |name: &str| TOP.contains(&name) || name == "users-service";
    let surplus = names.iter().filter(|name| !name.starts_with('.') && !wanted(name) && *name != "rustfmt.toml");
    let missing = TOP.iter().filter(|name| !names.iter().any(|there| there == *name));
    let at = |path: &str, what: &str| Finding { path: path.to_owned(), line: 1, what: what.to_owned() };
    surplus.map(|name| at(name, "is not part of the map")).chain(missing.map(|name| at(name, "is missing"))).collect()
}

pub fn banned(paths: &[String]) -> Vec<Finding> {
    let finding = |path: &String| {
        let part = path.split('/').find(|part| {
            let stem = part.strip_suffix(".rs").unwrap_or(part);
            BANNED.contains(&stem) && (part.ends_with(".rs") || path.ends_with(".rs"))
        })?;
        let what = format!("`{part}` does not say what is inside (foo.rs + foo/ instead of mod.rs)");
        Some(Finding { path: path.clone(), line: 1, what })
    };
    paths.iter().filter_map(finding).collect()
}

#[test]
fn bad_names_are_found() {
    let owned = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
    assert_eq!(banned(&owned(&["shared/src/utils.rs", "a/mod.rs", "a/helpers/x.rs", "a/money.rs"])).len(), 3);
    let mut top = owned(&TOP);
    assert!(top_level(&top).is_empty());
    top.push("scripts".to_owned());
    top.retain(|name| name != "README.md");
    assert_eq!(top_level(&top).len(), 2);
}
