//! Rows of arrays of tables, matched by what they are about, so that one that moves is no change and one that is added in
//! the middle is one change.

use std::collections::HashMap;

use toml::{Table, Value};

use super::{Change, Kind, View, value};

/// The table whose order says nothing: the most specific route wins wherever it stands.
const UNORDERED: &str = "routes";

/// The keys by which rows of other arrays are told apart, the first that a row has.
const NAMES: [&str; 5] = ["name", "role", "issuer", "host", "path"];

/// Whether an array consists of tables.
pub fn are_rows(items: &[Value]) -> bool {
    !items.is_empty() && items.iter().all(Value::is_table)
}

/// Compares two arrays of tables.
pub fn compare(at: &str, old: View<'_>, new: View<'_>, changes: &mut Vec<Change>) {
    let (before, after) = (names(at, old.shown, new.shown), names(at, new.shown, old.shown));
    let place = |names: &[String]| -> HashMap<String, usize> {
        names.iter().enumerate().map(|(index, name)| (name.clone(), index)).collect()
    };
    let (old_places, new_places) = (place(&before), place(&after));
    for (index, name) in before.iter().enumerate() {
        let at = format!("{at} {name}");
        match (old.row(index), new_places.get(name).and_then(|index| new.row(*index))) {
            (Some(old), Some(new)) => super::compare(&at, old, new, changes),
            (Some(gone), None) => changes.push(Change { at, kind: Kind::Removed(row(gone)) }),
            (None, _) => {}
        }
    }
    for (index, name) in after.iter().enumerate().filter(|(_, name)| !old_places.contains_key(*name)) {
        changes
            .extend(new.row(index).map(|added| Change { at: format!("{at} {name}"), kind: Kind::Added(row(added)) }));
    }
    let common = |names: &[String], others: &HashMap<String, usize>| -> Vec<String> {
        names.iter().filter(|name| others.contains_key(*name)).cloned().collect()
    };
    let order = common(&after, &old_places);
    if at != UNORDERED && common(&before, &new_places) != order {
        changes.push(Change { at: at.to_owned(), kind: Kind::Reordered(order.join(", ")) });
    }
}

/// What each row of `rows` is called. `others` are the rows of the other side: a route is called by its path alone, unless
/// either side has several with that path.
fn names(at: &str, rows: &Value, others: &Value) -> Vec<String> {
    let tables = |rows: &'_ Value| -> Vec<Table> {
        rows.as_array().into_iter().flatten().filter_map(|row| row.as_table().cloned()).collect()
    };
    let (rows, others) = (tables(rows), tables(others));
    let short = |row: &Table| if at == UNORDERED { place(row) } else { name(row) };
    let several = |wanted: &Option<String>| {
        let among = |rows: &[Table]| rows.iter().filter(|row| short(row) == *wanted).count() > 1;
        among(&rows) || among(&others)
    };
    let mut seen: HashMap<String, usize> = HashMap::new();
    let named = rows.iter().enumerate().map(|(index, row)| {
        let short = short(row);
        let name = match short {
            Some(ref name) if at == UNORDERED && several(&short) => format!("{name} {}", methods(row)),
            Some(name) => name,
            None => format!("[{index}]"),
        };
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        if *count > 1 { format!("{name} #{count}") } else { name }
    });
    named.collect()
}

fn name(row: &Table) -> Option<String> {
    NAMES.iter().find_map(|key| row.get(*key)).map(value)
}

/// Host, path and version of a route.
fn place(row: &Table) -> Option<String> {
    let text = |key: &str| row.get(key).and_then(Value::as_str);
    let (host, path) = (text("host").unwrap_or_default(), text("path")?);
    let version = text("version").map_or(String::new(), |version| format!(" {version}"));
    Some(format!("{host}{path}{version}"))
}

fn methods(row: &Table) -> String {
    let methods = row.get("methods").and_then(Value::as_array);
    let methods: Vec<_> = methods.into_iter().flatten().filter_map(Value::as_str).collect();
    if methods.is_empty() { "*".to_owned() } else { methods.join(",") }
}

/// A row's keys as they were written; all of them, when nobody knows which were.
fn row(view: View<'_>) -> String {
    let (Some(shown), written) = (view.shown.as_table(), view.written.and_then(Value::as_table)) else {
        return value(view.shown);
    };
    let kept = shown.iter().filter(|(key, _)| written.is_none_or(|written| written.contains_key(*key)));
    value(&Value::Table(kept.map(|(key, value)| (key.clone(), value.clone())).collect()))
}
