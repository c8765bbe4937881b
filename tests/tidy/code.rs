//! The shape of code: openings, lengths, words that must not stand in it.

use syn::spanned::Spanned;
use syn::visit::Visit;

use super::source::{Finding, Source};

const MAX_FILE: usize = 400;
const MAX_FUNCTION: usize = 70;

/// The first line is `//! A sentence`, which ends within the opening comment.
pub fn opening(source: &Source) -> Vec<Finding> {
    let opening: Vec<_> = source.text.lines().take_while(|line| line.starts_with("//!")).collect();
    let sentence = opening.first().is_some_and(|line| line.len() > "//! ".len() + 8);
    let ends = opening.iter().any(|line| line.trim_end().ends_with(['.', ':', ')', '`']));
    if sentence && ends { Vec::new() } else { vec![source.finding(1, "opens with one `//!` sentence")] }
}

/// Files stop at 400 lines, functions at 70.
pub fn size(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().count();
    let mut functions = Functions { source, findings: Vec::new() };
    if lines > MAX_FILE {
        functions.findings.push(source.finding(lines, format!("{lines} lines; files stop at {MAX_FILE}")));
    }
    match syn::parse_file(&source.text) {
        Ok(file) => functions.visit_file(&file),
        Err(error) => functions.findings.push(source.finding(error.span().start().line, error.to_string())),
    }
    functions.findings
}

struct Functions<'a> {
    source: &'a Source,
    findings: Vec<Finding>,
}

impl Functions<'_> {
    fn measure(&mut self, name: &syn::Ident, block: &syn::Block) {
        let span = block.span();
        let lines = span.end().line.saturating_sub(span.start().line) + 1;
        if lines > MAX_FUNCTION {
            let what = format!("`{name}` has {lines} lines; functions stop at {MAX_FUNCTION}");
            self.findings.push(self.source.finding(span.start().line, what));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.measure(&function.sig.ident, &function.block);
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.measure(&function.sig.ident, &function.block);
        syn::visit::visit_impl_item_fn(self, function);
    }
}

/// Promises, skips, silenced lints.
pub fn banned_words(source: &Source) -> Vec<Finding> {
    const BANNED: [&str; 8] =
        ["todo!(", "unimplemented!(", "TODO", "FIXME", "// XXX", "#[ignore", "#[allow(", "#![allow("];
    if source.is_rule() {
        return Vec::new();
    }
    let lines = source.text.lines().enumerate();
    lines
        .flat_map(|(at, line)| BANNED.iter().filter(|word| line.contains(**word)).map(move |word| (at, word)))
        .map(|(at, word)| source.finding(at + 1, format!("`{word}` must not stand in the code")))
        .collect()
}

/// In tests, no sleep stands for a condition. What polls for one on their behalf lives in `tests/src/`.
pub fn sleeping_tests(source: &Source) -> Vec<Finding> {
    let harness = ["tests/src/", "tests/bench/"].iter().any(|folder| source.path.starts_with(folder));
    if !source.is_test() || source.is_rule() || harness {
        return Vec::new();
    }
    let lines = source.text.lines().enumerate();
    lines
        .filter(|(_, line)| line.contains("time::sleep(") || line.contains("thread::sleep("))
        .map(|(at, _)| source.finding(at + 1, "wait for a condition instead of sleeping"))
        .collect()
}

#[test]
fn bad_shapes_are_found() {
    let of = |text: &str| Source::new("gateway/src/x.rs", text);
    assert_eq!(opening(&of("use x;\n")).len(), 1);
    assert!(opening(&of("//! What stands here.\n")).is_empty());
    let long = format!("//! Long.\nfn f() {{\n{}}}\n", "    g();\n".repeat(70));
    assert_eq!(size(&of(&long)).len(), 1);
    assert_eq!(size(&of(&"// x\n".repeat(401))).len(), 1);
    assert_eq!(size(&of("fn (")).len(), 1);
    for word in ["// TODO later", "#[allow(dead_code)]", "#[ignore]", "todo!()"] {
        assert_eq!(banned_words(&of(word)).len(), 1, "{word}");
    }
    let sleep = "tokio::time::sleep(x).await;";
    assert_eq!(sleeping_tests(&Source::new("gateway/src/breaker/tests.rs", sleep)).len(), 1);
    assert!(sleeping_tests(&of(sleep)).is_empty());
}
