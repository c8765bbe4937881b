//! The table of OWASP ASVS 5: every requirement of levels 1 and 2 stands in it once, and every test it names exists.

use super::source::{Finding, Source, read};

/// The document.
const TABLE: &str = "tests/asvs.md";

/// The sections of chapters 6 to 10 of ASVS 5.0 with how many requirements of levels 1 and 2 each has: they come first.
const SECTIONS: [(u8, u8, u8); 26] = [
    (6, 1, 3),
    (6, 2, 12),
    (6, 3, 4),
    (6, 4, 4),
    (6, 5, 5),
    (6, 6, 3),
    (6, 8, 4),
    (7, 1, 3),
    (7, 2, 4),
    (7, 3, 2),
    (7, 4, 5),
    (7, 5, 2),
    (7, 6, 2),
    (8, 1, 2),
    (8, 2, 3),
    (8, 3, 1),
    (8, 4, 1),
    (9, 1, 3),
    (9, 2, 4),
    (10, 1, 2),
    (10, 2, 2),
    (10, 3, 4),
    (10, 4, 11),
    (10, 5, 5),
    (10, 6, 2),
    (10, 7, 3),
];

/// How a row begins that no test can show.
const REASONS: [&str; 3] = ["Not ours:", "Deviates:", "By design:"];

pub fn all(sources: &[Source]) -> Vec<Finding> {
    findings(&read(TABLE), &|test| {
        let line = format!("fn {test}(");
        sources.iter().any(|source| source.text.contains(&line))
    })
}

fn findings(table: &str, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = Vec::new();
    for (at, line) in table.lines().enumerate() {
        let mut find = |what: String| findings.push(Finding { path: TABLE.to_owned(), line: at + 1, what });
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, id, _, how, tests, _] = cells.as_slice() else { continue };
        if !id.starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        seen.push((*id).to_owned());
        let named: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
        for test in named.iter().filter(|test| !exists(test)) {
            find(format!("{id}: there is no test `{test}`"));
        }
        if named.is_empty() && !REASONS.iter().any(|reason| how.starts_with(reason)) {
            find(format!("{id} names no test, and no reason why not: {REASONS:?}"));
        }
    }
    let required = SECTIONS
        .iter()
        .flat_map(|(chapter, section, count)| (1..=*count).map(move |number| format!("{chapter}.{section}.{number}")));
    for id in required {
        let times = seen.iter().filter(|there| **there == id).count();
        if times != 1 {
            findings.push(Finding { path: TABLE.to_owned(), line: 1, what: format!("{id} stands here {times} times") });
        }
    }
    findings
}

#[test]
fn a_row_that_shows_nothing_is_found() {
    let whole: Vec<_> = SECTIONS
        .iter()
        .flat_map(|(chapter, section, count)| (1..=*count).map(move |at| format!("{chapter}.{section}.{at}")))
        .collect();
    let table = |row: &dyn Fn(&str) -> String| whole.iter().map(|id| row(id)).collect::<Vec<_>>().join("\n");
    let exists = |test: &str| test == "there";
    assert_eq!(findings(&table(&|id| format!("| {id} | asked | how | `there` |")), &exists), []);
    assert_eq!(findings(&table(&|id| format!("| {id} | asked | Not ours: why | |")), &exists), []);
    assert_eq!(findings(&table(&|id| format!("| {id} | asked | how | |")), &exists).len(), whole.len());
    assert_eq!(findings(&table(&|id| format!("| {id} | asked | how | `gone` |")), &exists).len(), whole.len());
    assert_eq!(findings("", &exists).len(), whole.len());
}
