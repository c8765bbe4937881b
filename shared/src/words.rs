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

/// The words that a message has in backquotes: what was wrong, then what would have been right.
pub(crate) fn quoted(message: &str) -> impl Iterator<Item = &str> {
    message.split('`').skip(1).step_by(2)
}
