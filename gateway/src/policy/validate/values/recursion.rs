//! Schemas that come back to themselves out of more than one of several forms: to say why none of the forms fits, each of
//! these is gone through at every level, and the telling doubles with each.

use std::collections::HashSet;

use serde_json::Value;

const FORMS: [&str; 2] = ["anyOf", "oneOf"];

/// Whether the schema at a pointer leads to such a one.
pub(super) fn is_through_forms(document: &Value, pointer: &str) -> bool {
    reached(document, pointer).into_iter().any(|at| {
        FORMS.iter().any(|keyword| {
            let forms = document.pointer(&format!("{at}/{keyword}")).and_then(Value::as_array).map_or(0, Vec::len);
            let back = |form: &usize| {
                reached(document, &format!("{at}/{keyword}/{form}")).iter().any(|target| is_within(&at, target))
            };
            (0..forms).filter(back).count() > 1
        })
    })
}

/// Whether `place` is at `around` or somewhere in it.
fn is_within(place: &str, around: &str) -> bool {
    place.strip_prefix(around).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The pointers to everything that a place holds or refers to, with that place.
fn reached(document: &Value, pointer: &str) -> HashSet<String> {
    let (mut seen, mut next) = (HashSet::new(), vec![pointer.to_owned()]);
    while let Some(at) = next.pop() {
        let Some(value) = document.pointer(&at).filter(|_| seen.insert(at.clone())) else { continue };
        match value {
            Value::Object(members) => {
                let target = members.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
                next.extend(target.map(str::to_owned));
                next.extend(members.keys().map(|name| format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))));
            }
            Value::Array(items) => next.extend((0..items.len()).map(|index| format!("{at}/{index}"))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_comes_back_out_of_a_form_is_meant() {
        let node = |next: Value| json!({"s": {"Node": {"properties": {"next": next}}, "Leaf": {"type": "string"}}});
        let (node_ref, leaf) = (json!({"$ref": "#/s/Node"}), json!({"$ref": "#/s/Leaf"}));
        for (next, recurs) in [
            (node_ref.clone(), false),
            (json!({"items": node_ref}), false),
            (json!({"anyOf": [leaf, {"type": "null"}]}), false),
            (json!({"oneOf": [node_ref, {"type": "null"}]}), false),
            (json!({"anyOf": [{"items": {"properties": {"x": node_ref}}}, node_ref]}), true),
        ] {
            assert_eq!(is_through_forms(&node(next.clone()), "/s/Node"), recurs, "{next}");
        }
        assert!(!is_through_forms(&node(json!({"oneOf": [node_ref, node_ref]})), "/s/Leaf"));
    }
}
