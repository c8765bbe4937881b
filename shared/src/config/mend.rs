//! Every mistake in the types of values, though serde stops at its first: each is noted, mended, and all is read again.

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::layer::nearest;
use crate::words;

/// More mistakes than this are not worth listing.
const MAX_ERRORS: usize = 100;

/// What stands in for the broken value of a table in an array, which has no default: one of these is of nearly any type.
fn fillers() -> Vec<Value> {
    let text = |text: &str| Value::String(text.to_owned());
    let table = Value::Table(Table::new());
    vec![
        table,
        Value::Boolean(false),
        Value::Array(Vec::new()),
        text("127.0.0.1:1"),
        text("1s"),
        Value::Integer(1),
        text(""),
    ]
}

/// One mistake.
struct Fault {
    path: String,
    message: String,
    /// What would have been right, as far as the message lists it.
    known: Vec<String>,
}

impl Fault {
    fn of(path: &serde_path_to_error::Path, error: &toml::de::Error) -> Self {
        let (at, message) = (path.to_string(), error.message().trim());
        let mut quoted = words::quoted(message).map(str::to_owned);
        let named = quoted.next().unwrap_or_default();
        let known: Vec<String> = quoted.collect();
        let inside = |key: &str| match at.as_str() {
            "." | "" => key.to_owned(),
            table if table == key || table.ends_with(&format!(".{key}")) => table.to_owned(),
            table => format!("{table}.{key}"),
        };
        if message.starts_with("unknown field") {
            let hint = nearest(known.iter().map(String::as_str), &named);
            let hint = hint.map_or(String::new(), |key| format!("; did you mean `{key}`?"));
            Self { path: inside(&named), message: format!("unknown key{hint}"), known: Vec::new() }
        } else if message.starts_with("missing field") {
            Self { path: inside(&named), message: "is missing".to_owned(), known: Vec::new() }
        } else if message.starts_with("unknown variant") {
            Self { path: at, message: format!("`{named}` is none of {}", known.join(", ")), known }
        } else if message.starts_with("invalid type") || message.starts_with("invalid value") {
            let expected = words::expected(message, "a table");
            Self { path: at, message: format!("expected {expected}"), known: Vec::new() }
        } else if message == "invalid socket address syntax" {
            let message = "an address and a port, such as 127.0.0.1:8080".to_owned();
            Self { path: at, message, known: Vec::new() }
        } else {
            Self { path: at, message: message.to_owned(), known: Vec::new() }
        }
    }
}

/// Reads `table`, noting every mistake under its key; nothing when one cannot be mended. What was mended says nothing
/// about the configuration, so whoever checks further leaves the keys that were noted alone.
pub(super) fn read<T: DeserializeOwned>(
    schema: &Table,
    table: &mut Table,
    note: &mut dyn FnMut(&str, String),
) -> Option<T> {
    for _ in 0..MAX_ERRORS {
        let fault = match attempt::<T>(table) {
            Ok(value) => return Some(value),
            Err(fault) => fault,
        };
        note(&fault.path, fault.message.clone());
        let mended = Spot::all(&fault.path).any(|spot| spot.mend::<T>(table, &fault.path));
        if !mended && !restore_default(schema, table, &fault.path) {
            return None;
        }
    }
    None
}

fn attempt<T: DeserializeOwned>(table: &Table) -> Result<T, Fault> {
    serde_path_to_error::deserialize(Value::Table(table.clone()))
        .map_err(|error| Fault::of(error.path(), error.inner()))
}

/// A key of a table that lies, however deep, in an array of tables: `path` in `routes[2]`, `body` in
/// `routes[2].fallback`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Spot<'a> {
    table: &'a str,
    key: &'a str,
}

impl<'a> Spot<'a> {
    /// The innermost key that a path lies in.
    fn of(path: &'a str) -> Option<Self> {
        let (table, last) = path.rsplit_once('.').filter(|(table, _)| table.contains('['))?;
        Some(Self { table, key: last.split('[').next()? })
    }

    /// The keys that a path lies in, innermost first: when nothing helps inside, what is around it goes.
    fn all(path: &'a str) -> impl Iterator<Item = Self> {
        std::iter::successors(Self::of(path), |inner| Self::of(inner.table))
    }

    /// Leaves the key out, or gives it a value that nothing is wrong with. `false` when neither helps against the fault
    /// at `path`.
    fn mend<T: DeserializeOwned>(self, table: &mut Table, path: &str) -> bool {
        let heals = |table: &Table| match attempt::<T>(table) {
            Ok(_) => Ok(()),
            Err(fault) if fault.path != path && Spot::of(&fault.path) != Some(self) => Ok(()),
            Err(fault) => Err(fault.known),
        };
        let Some(row) = self.row(table) else { return false };
        let removed = row.remove(self.key);
        if heals(table).is_ok() {
            return true;
        }
        let mut fillers = fillers();
        let mut told = false;
        // Serde reads the keys of a table in order and misses some only then, so the first fault tells about this key.
        while let Some(filler) = fillers.pop() {
            let Some(row) = self.row(table) else { return false };
            row.insert(self.key.to_owned(), filler);
            match heals(table) {
                Ok(()) => return true,
                Err(known) => fillers.extend(known.into_iter().next().filter(|_| !told).map(|word| {
                    told = true;
                    Value::String(word)
                })),
            }
        }
        if let Some(row) = self.row(table) {
            match removed {
                Some(removed) => row.insert(self.key.to_owned(), removed),
                None => row.remove(self.key),
            };
        }
        false
    }

    fn row(self, table: &mut Table) -> Option<&mut Table> {
        let mut inside = table;
        for segment in self.table.split('.') {
            let mut names = segment.split('[');
            let mut value = inside.get_mut(names.next()?)?;
            for index in names {
                value = value.as_array_mut()?.get_mut(index.strip_suffix(']')?.parse::<usize>().ok()?)?;
            }
            inside = value.as_table_mut()?;
        }
        Some(inside)
    }
}

/// Puts the key that `path` lies in back to its default. `false` when it has that value already.
fn restore_default(schema: &Table, table: &mut Table, path: &str) -> bool {
    let path = path.split('[').next().unwrap_or(path);
    let (mut schema, mut table) = (schema, table);
    for key in path.split('.') {
        let Some(default) = schema.get(key) else { return false };
        match (default, table.get_mut(key)) {
            (Value::Table(inner_schema), Some(Value::Table(_))) => {
                schema = inner_schema;
                let Some(Value::Table(inner)) = table.get_mut(key) else { return false };
                table = inner;
            }
            (default, Some(current)) if current != default => {
                *current = default.clone();
                return true;
            }
            _ => return false,
        }
    }
    false
}
