//! How large an upstream's document may be once it is read: its bytes say little of that, and what is done with it must not
//! take more memory than the gateway has.

use serde_json::Value;

/// Objects in it.
const MAX_OBJECTS: usize = 200_000;

/// Values in it, objects included.
const MAX_VALUES: usize = 1_000_000;

/// Bytes of the pointers to all of its values together: a long name is part of the pointer to each value within.
const MAX_POINTERS: usize = 256 << 20;

#[derive(Clone, Copy, Debug, Default)]
struct Size {
    objects: usize,
    values: usize,
    pointers: usize,
}

/// Says whether a document is too large to be read at all: each value takes many times its bytes in memory. What separates
/// values is counted, in texts too, where hardly any document has as much of it.
pub(super) fn unread(bytes: &[u8]) -> Option<String> {
    let commas = memchr::memchr_iter(b',', bytes).count();
    (commas > MAX_VALUES).then(|| format!("it has {commas} commas, and at most {MAX_VALUES} values are read"))
}

/// Says in which way a document is too large; `None`: it is not.
pub(super) fn too_large(document: &Value) -> Option<String> {
    let mut size = of(document);
    // What is asked of all operations is said at each of them.
    let items = document.get("paths").and_then(Value::as_object).into_iter().flat_map(|paths| paths.values());
    let operations: usize = items.filter_map(Value::as_object).map(serde_json::Map::len).sum();
    let security = document.get("security").map(of).unwrap_or_default();
    size.objects = size.objects.saturating_add(security.objects.saturating_mul(operations));
    size.values = size.values.saturating_add(security.values.saturating_mul(operations));
    [
        ("objects", size.objects, MAX_OBJECTS),
        ("values", size.values, MAX_VALUES),
        ("bytes in the pointers to its values", size.pointers, MAX_POINTERS),
    ]
    .into_iter()
    .find(|(_, has, most)| has > most)
    .map(|(what, has, most)| format!("it has {has} {what}, and at most {most} are read"))
}

fn of(value: &Value) -> Size {
    let (mut size, mut next) = (Size::default(), vec![(0, value)]);
    while let Some((pointer, value)) = next.pop() {
        size.values += 1;
        size.pointers = size.pointers.saturating_add(pointer);
        match value {
            Value::Object(members) => {
                size.objects += 1;
                next.extend(members.iter().map(|(name, member)| (pointer + 1 + name.len(), member)));
            }
            Value::Array(items) => next.extend(items.iter().map(|item| (pointer + 2, item))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    size
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_would_be_too_many_values_is_not_read() {
        assert_eq!(unread(&vec![b','; MAX_VALUES]), None);
        assert!(unread(&b"0,".repeat(MAX_VALUES + 1)).is_some_and(|why| why.contains("commas")));
    }

    #[test]
    fn a_document_is_measured_by_what_becomes_of_it() {
        let ordinary = json!({"openapi": "3.1.0", "security": [{"key": []}], "paths": {"/a": {"get": {}, "put": {}}}});
        assert_eq!(too_large(&ordinary), None);
        let long = "n".repeat(1 << 20);
        let many = |count: usize| Value::Array(vec![json!({}); count]);
        for (document, what) in [
            (json!({"x": many(MAX_OBJECTS)}), "objects"),
            (json!({"x": vec![0; MAX_VALUES]}), "values"),
            (json!({"x": {long: vec![0; 300]}}), "pointers"),
            (json!({"security": many(1_000), "paths": {"/a": {"get": {}, "put": {}}, "/b": vec![json!({}); 1]}}), ""),
            (
                json!({"security": many(1_000), "paths": (0..200).map(|n| (format!("/{n}"), json!({"get": {}})))
                    .collect::<serde_json::Map<_, _>>()}),
                "objects",
            ),
        ] {
            let told = too_large(&document).unwrap_or_default();
            assert!(told.contains(what) && told.is_empty() == what.is_empty(), "{what}: {told}");
        }
    }
}
