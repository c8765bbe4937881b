//! What the document says of answers that the gateway puts together: made of what the services say of the parts.

use serde_json::{Map, Value, json};

use super::own::refer;
use crate::policy::version::{VersionRule, below};
use crate::route::Route;
use crate::tables::Tables;

/// Each composed row's operations with their paths, one for each version that it has and that all of its parts are described
/// in.
pub(super) fn operations(described: &Map<String, Value>, tables: &Tables) -> Vec<(String, Value)> {
    let rows = tables.routes.routes().iter().filter(|row| !row.parts.is_empty());
    rows.flat_map(|row| {
        let placed = versions(row, tables).into_iter();
        placed.filter_map(move |version| operation(described, row, version, tables))
    })
    .collect()
}

/// The names of the versions that a row has; `None` where it has none.
fn versions<'t>(row: &Route, tables: &'t Tables) -> Vec<Option<&'t str>> {
    match row.version {
        VersionRule::None => vec![None],
        VersionRule::Only(id) => vec![Some(&tables.versions.get(id).name)],
        VersionRule::All => tables.versions.list().iter().map(|version| Some(version.name.as_str())).collect(),
    }
}

/// A path as clients write it.
fn placed(path: &str, version: Option<&str>, tables: &Tables) -> String {
    let prefix = tables.versions.prefix();
    match (version, below(path, prefix)) {
        (Some(version), Some(rest)) => [prefix, "/", version, rest].concat(),
        (_, _) => path.to_owned(),
    }
}

fn operation(
    described: &Map<String, Value>,
    row: &Route,
    version: Option<&str>,
    tables: &Tables,
) -> Option<(String, Value)> {
    let path = placed(&row.pattern, version, tables);
    let (mut members, mut required, mut example) = (Map::new(), Vec::new(), Map::new());
    let (mut words, mut tag) = (Vec::new(), Value::Null);
    for part in &row.parts {
        let of = placed(&part.path, version, tables);
        let answer = described_at(described, &of)?;
        let content = &answer["responses"]["200"]["content"]["application/json"];
        members.insert(part.name.clone(), json!({"oneOf": [content["schema"], {"type": "null"}]}));
        required.push(json!(part.name));
        example.insert(part.name.clone(), shown(content).unwrap_or_default());
        words.push(format!("`{}` (`GET {of}`)", part.name));
        tag = if tag.is_null() { answer["tags"].clone() } else { tag };
    }
    members.insert("complete".to_owned(), json!({"type": "boolean", "description": "Whether every part is there."}));
    let problems = json!({
        "type": "object", "additionalProperties": refer("schemas", "Problem"),
        "description": "For each part that is null, the problem that it was answered with.",
    });
    members.insert("problems".to_owned(), problems);
    required.extend([json!("complete"), json!("problems")]);
    example.extend([("complete".to_owned(), json!(true)), ("problems".to_owned(), json!({}))]);
    let schema = json!({"type": "object", "properties": members, "required": required});
    let named = row.pattern.split('/').skip(2).collect::<Vec<_>>().join("_");
    let operation = json!({
        "operationId": format!("get_{named}"),
        "tags": if tag.is_null() { json!([]) } else { tag },
        "summary": "Several answers in one.",
        "description": format!(
            "Put together by the gateway, which asks for all of it side by side, in the caller's name: {}. A part that fails is \
             null and takes nothing from the others; then `complete` is false, and `problems` says why.",
            words.join(", ")
        ),
        "x-composed": true,
        "responses": {"200": {
            "description": "What could be had", "content": {"application/json": {"schema": schema, "example": example}},
        }},
    });
    Some((path, operation))
}

/// What a service says of GET of a path that may be one of many.
fn described_at<'d>(described: &'d Map<String, Value>, path: &str) -> Option<&'d Value> {
    let fits = |pattern: &str| {
        let is_any = |segment: &str| segment.starts_with('{');
        pattern.split('/').count() == path.split('/').count()
            && pattern.split('/').zip(path.split('/')).all(|(segment, here)| segment == here || is_any(segment))
    };
    let exact = described.get(path);
    let item = exact.or_else(|| described.iter().find(|(pattern, _)| fits(pattern)).map(|(_, item)| item))?;
    item.get("get")
}

/// An example of an answer.
fn shown(content: &Value) -> Option<Value> {
    let several = content.get("examples").and_then(Value::as_object).into_iter().flat_map(Map::values);
    content.get("example").or_else(|| several.filter_map(|example| example.get("value")).next()).cloned()
}
