//! The repository as the rules see it: the files git knows or would take.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;

/// A Rust file.
#[derive(Clone, Debug)]
pub struct Source {
    pub path: String,
    pub text: String,
}

/// A rule broken at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub path: String,
    pub line: usize,
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}:{}: {}", self.path, self.line, self.what)
    }
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Every Rust file of the repository.
    pub fn all() -> Vec<Self> {
        let rust = tracked().into_iter().filter(|path| path.ends_with(".rs"));
        rust.map(|path| Self { text: read(&path), path }).collect()
    }

    pub fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into() }
    }

    /// Whether this is a test: a file or folder named so, or anything of the crate that tests.
    pub fn is_test(&self) -> bool {
        let stem = |part: &str| part.trim_end_matches(".rs").to_owned();
        self.path.starts_with("tests/") || self.path.split('/').any(|part| matches!(&*stem(part), "tests" | "testing"))
    }

    /// The rules' own samples break the rules.
    pub fn is_rule(&self) -> bool {
        self.path.starts_with("tests/tidy")
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

/// A file's text.
pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Paths that git tracks, and those it would take.
pub fn tracked() -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the files");
    assert!(output.status.success(), "git ls-files failed");
    let text = String::from_utf8(output.stdout).expect("paths are UTF-8");
    text.lines().filter(|path| root().join(path).is_file()).map(str::to_owned).collect()
}

/// What stands at the top, folders once.
pub fn top_level() -> Vec<String> {
    let mut names: Vec<_> = tracked().iter().filter_map(|path| path.split('/').next()).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}
