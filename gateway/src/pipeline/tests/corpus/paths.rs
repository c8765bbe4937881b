//! Targets: what one side takes for a file's name and the other for a way out of the folder.

use super::*;

pub fn cases() -> Vec<Case> {
    let raw = |name: &'static str, target: &str| refused(name, 400, get(target));
    vec![
        raw("..", "/api/t/../smuggled"),
        raw(".. at the end", "/api/t/.."),
        raw(".", "/api/./t/x"),
        raw("encoded dots", "/api/t/%2e%2e/smuggled"),
        raw("half-encoded dots", "/api/t/.%2E/smuggled"),
        raw("dots with a parameter", "/api/t/..;/smuggled"),
        raw("dots with a parameter that has a value", "/api/t/..;a=b/smuggled"),
        raw("dots encoded twice", "/api/t/%252e%252e/smuggled"),
        raw("an encoded slash", "/api/t/x%2fsmuggled"),
        raw("a slash encoded twice", "/api/t/x%252Fsmuggled"),
        raw("a backslash", "/api/t\\..\\smuggled"),
        raw("an encoded backslash", "/api/t/x%5csmuggled"),
        raw("a backslash encoded twice", "/api/t/x%255csmuggled"),
        raw("an encoded NUL", "/api/t/x%00"),
        raw("an encoded NUL, encoded again", "/api/t/x%2500"),
        raw("an encoded line end", "/api/t/x%0d%0aX-Smuggled:%201"),
        raw("an encoded DEL", "/api/t/x%7f"),
        raw("two slashes", "/api//t/x"),
        raw("two slashes in front", "//api/t/x"),
        raw("three slashes and a host", "///other/api/t/x"),
        raw("a broken escape", "/api/t/x%2"),
        raw("an escape of no digits", "/api/t/x%zz"),
        raw("an escape of UTF-16", "/api/t/x%u002e"),
        raw("an overlong slash", "/api/t/x%c0%afsmuggled"),
        raw("raw UTF-8", "/api/t/é"),
        raw("a brace", "/api/t/{x}"),
        raw("a fragment", "/api/t/x#/../smuggled"),
        raw("a fragment behind a query", "/api/t/x?a=b#smuggled"),
        refused("a target that is too long", 414, get(&format!("/api/t/{}", "x".repeat(9_000)))),
        passes("needless escapes", 1, get("/%61pi/t/%78")),
        passes("a query that looks like a path", 1, get("/api/t/x?next=/../a%2fb//c")),
        passes("dots that are a name", 1, get("/api/t/..x/y..")),
    ]
}

#[tokio::test]
async fn nobody_reads_a_path_differently() {
    run(cases).await;
}
