//! What serde says of types, in words for people who never heard of it.

use std::borrow::Cow;

/// What was expected, from the end of serde's message ("expected usize"): a noun with its article. `object` is what the
/// format calls one.
pub(crate) fn expected(message: &str, object: &'static str) -> Cow<'static, str> {
    let expected = message.rsplit_once("expected ").map_or("", |(_, expected)| expected);
    // "a string", "a map", "a boolean" are serde's; anything else behind an article is a type of ours.
    let bare = expected.strip_prefix("a ").or_else(|| expected.strip_prefix("an "));
    let kind = bare.unwrap_or(expected).split(' ').next().unwrap_or_default();
    Cow::Borrowed(match kind {
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" | "u8" | "u16" | "u32" | "u64" | "u128" | "usize"
        | "nonzero" => "an integer within its range",
        "f32" | "f64" => "a number",
        "struct" | "map" => object,
        "enum" | "string" | "str" | "borrowed" | "char" | "variant" => "text",
        "bool" | "boolean" => "true or false",
        "sequence" | "tuple" | "array" => "an array",
        _ if bare.is_some() => return Cow::Owned(expected.to_owned()),
        _ => "another type",
    })
}

/// The words that a message has in backquotes.
pub(crate) fn quoted(message: &str) -> impl Iterator<Item = &str> {
    message.split('`').skip(1).step_by(2)
}

/// What was wrong and what would have been right, which a message has in backquotes. The first is the client's, who may
/// write backquotes too.
pub(crate) fn named(message: &str) -> (&str, Vec<String>) {
    let (wrong, right) = ["`, expected ", "`, there are no "]
        .iter()
        .find_map(|border| message.rsplit_once(border))
        .unwrap_or_else(|| (message.strip_suffix('`').unwrap_or(message), ""));
    let wrong = wrong.split_once('`').map_or("", |(_, wrong)| wrong);
    (wrong, quoted(right).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn a_clients_backquotes_are_its_own() {
        let known = vec!["id".to_owned(), "name".to_owned()];
        assert_eq!(named("unknown field `a`, expected `id` or `name`"), ("a", known.clone()));
        assert_eq!(named("unknown field `a`b`, expected one of `id`, `name`"), ("a`b", known.clone()));
        assert_eq!(named("unknown variant `x`, expected `y`, expected `id` or `name`"), ("x`, expected `y", known));
        assert_eq!(named("missing field `id`"), ("id", Vec::new()));
        assert_eq!(named("unknown field `a`, there are no fields"), ("a", Vec::new()));
        assert_eq!(named("no message"), ("", Vec::new()));
    }
}
