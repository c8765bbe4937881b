//! The layout rules, executable: what the house style says of files, names, imports and documents, or the build fails.
#![expect(clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "tidy/code.rs"]
mod code;
#[path = "tidy/meaning.rs"]
mod meaning;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/settings.rs"]
mod settings;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/standard.rs"]
mod standard;

use source::{Finding, Source};

/// Fails with every finding, one a line.
fn none(findings: Vec<Finding>) {
    let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} finding(s):\n{}", lines.len(), lines.join("\n"));
}

/// Applies a rule that looks at one file at a time.
fn each(rule: fn(&Source) -> Vec<Finding>) {
    none(Source::all().iter().flat_map(rule).collect());
}

#[test]
fn the_top_level_is_exactly_what_the_map_shows() {
    none(names::top_level(&source::top_level()));
}

#[test]
fn files_and_folders_have_names_that_say_what_is_inside() {
    none(names::banned(&source::tracked()));
}

#[test]
fn every_file_opens_with_one_sentence() {
    each(code::opening);
}

#[test]
fn files_and_functions_stay_short() {
    each(code::size);
}

#[test]
fn nothing_is_promised_skipped_or_silenced() {
    each(code::banned_words);
}

#[test]
fn every_requirement_of_the_standard_names_tests_that_there_are() {
    none(standard::all(&Source::all()));
}

#[test]
fn tests_wait_for_conditions() {
    each(code::sleeping_tests);
}

#[test]
fn imports_point_one_way() {
    each(meaning::imports);
}

#[test]
fn every_handler_says_who_may_call_it() {
    each(meaning::authorization);
}

#[test]
fn every_policy_is_used() {
    none(meaning::unused_policies(&Source::all()));
}

#[test]
fn every_problem_code_is_used() {
    none(meaning::unused_codes(&Source::all()));
}

#[test]
fn every_setting_is_documented_and_read() {
    none(settings::all().iter().flat_map(|defaults| settings::findings(defaults, &Source::all())).collect());
}
