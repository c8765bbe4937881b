//! Laying file and environment over the defaults, key by key, with the place of each.

use std::io::ErrorKind;
use std::path::Path;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::Spec;
use super::report::{ConfigError, Origin, Origins};

pub(super) struct Merged {
    pub schema: Table,
    pub table: Table,
    pub origins: Origins,
    pub errors: Vec<ConfigError>,
}

pub(super) fn merge(spec: Spec, file: Option<&Path>, env: &[(String, String)]) -> Merged {
    let mut errors = Vec::new();
    let schema: Table = spec.defaults.parse().unwrap_or_else(|error: toml::de::Error| {
        errors.push(ConfigError::at(&Origins::new(), "", format!("the built-in defaults do not parse: {error}")));
        Table::new()
    });
    let mut merged = Merged { table: schema.clone(), schema, origins: Origins::new(), errors };
    if let Some(file) = file {
        lay_file(&mut merged, file);
    }
    lay_env(&mut merged, spec.service, env);
    merged
}

fn lay_file(merged: &mut Merged, file: &Path) {
    let name = file.display().to_string();
    let whole_file = |line| Origin::File { name: name.clone(), line };
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return merged.errors.push(ConfigError::of_file(&name, "there is no such file"));
        }
        Err(error) => return merged.errors.push(ConfigError::of_file(&name, format_args!("cannot be read: {error}"))),
    };
    let document = match DeTable::parse(&text) {
        Ok(document) => document,
        Err(error) => {
            let line = error.span().map_or(1, |span| line_of(&text, span.start));
            return merged.errors.push(ConfigError::from(whole_file(line), "", error.message()));
        }
    };
    let schema = merged.schema.clone();
    let origin = |at: usize| Origin::File { name: name.clone(), line: line_of(&text, at) };
    lay_table(merged, &schema, document.get_ref(), "", &origin);
}

fn lay_table(merged: &mut Merged, schema: &Table, layer: &DeTable<'_>, prefix: &str, origin: &dyn Fn(usize) -> Origin) {
    for (key, value) in layer {
        let name = key.get_ref().as_ref();
        let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
        let here = origin(key.span().start);
        // A quoted key is one key, whatever dots it has: it is not the key inside that its text looks like.
        if name.contains('.') {
            let path = path.strip_suffix(name).unwrap_or_default();
            merged.errors.push(ConfigError::from(here, &format!("{path}\"{name}\""), "unknown key"));
            continue;
        }
        match (schema.get(name), value.get_ref()) {
            (Some(Value::Table(inner)), DeValue::Table(table)) => {
                merged.origins.insert(path.clone(), here);
                lay_table(merged, inner, table, &path, origin);
            }
            _ => match plain(value) {
                Ok(plain) => {
                    lay_value(merged, &path, plain, here);
                    note_places(&mut merged.origins, &path, value.get_ref(), origin);
                }
                Err(message) => merged.errors.push(ConfigError::from(here, &path, message)),
            },
        }
    }
}

/// Where each item of an array and each key inside stands.
fn note_places(origins: &mut Origins, path: &str, value: &DeValue<'_>, origin: &dyn Fn(usize) -> Origin) {
    match value {
        DeValue::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                let path = format!("{path}[{i}]");
                origins.insert(path.clone(), origin(item.span().start));
                note_places(origins, &path, item.get_ref(), origin);
            }
        }
        DeValue::Table(table) => {
            for (key, value) in table {
                let path = format!("{path}.{}", key.get_ref());
                origins.insert(path.clone(), origin(key.span().start));
                note_places(origins, &path, value.get_ref(), origin);
            }
        }
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
}

fn plain(value: &Spanned<DeValue<'_>>) -> Result<Value, String> {
    Value::deserialize(value.clone().into_deserializer()).map_err(|e: toml::de::Error| e.message().to_owned())
}

fn lay_env(merged: &mut Merged, service: &str, env: &[(String, String)]) {
    let prefix = format!("TOLLGATE_{}__", service.to_ascii_uppercase());
    let mut ours: Vec<_> = env.iter().filter(|(name, _)| name.starts_with(&prefix)).collect();
    ours.sort();
    for (name, text) in ours {
        let path = name[prefix.len()..].to_ascii_lowercase().replace("__", ".");
        let here = Origin::Env(name.clone());
        match lookup(&merged.schema, &path) {
            Some(default) => match typed(default, text) {
                Ok(value) => lay_value(merged, &path, value, here),
                Err(message) => merged.errors.push(ConfigError::from(here, &path, message)),
            },
            None => lay_value(merged, &path, Value::String(text.clone()), here),
        }
    }
}

/// An environment variable is text; the default says what it stands for.
fn typed(default: &Value, text: &str) -> Result<Value, String> {
    let parse =
        |text: &str| format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    match default {
        Value::String(_) => Ok(Value::String(text.to_owned())),
        Value::Array(_) => Ok(parse(text).unwrap_or_else(|| {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
        })),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) | Value::Table(_) => {
            parse(text).ok_or_else(|| format!("expected {}, found `{text}`", kind(default)))
        }
    }
}

/// Checks one value against the schema and puts it in its place.
fn lay_value(merged: &mut Merged, path: &str, value: Value, here: Origin) {
    let (path, value) = match from_file(&merged.schema, path, &value) {
        Some(Ok((path, value))) => (path, value),
        Some(Err(message)) => return merged.errors.push(ConfigError::from(here, path, message)),
        None => (path.to_owned(), value),
    };
    let Some(default) = lookup(&merged.schema, &path) else {
        let hint = nearest_key(&merged.schema, &path).map_or(String::new(), |key| format!("; did you mean `{key}`?"));
        return merged.errors.push(ConfigError::from(here, &path, format!("unknown key{hint}")));
    };
    if !same_kind(default, &value) {
        let message = format!("expected {}, found {}", kind(default), kind(&value));
        return merged.errors.push(ConfigError::from(here, &path, message));
    }
    if merged.origins.get(&path).is_some_and(|before| before.is_beside(&here)) {
        let key = path.rsplit('.').next().unwrap_or_default();
        let message = format!("given twice, as `{key}` and as `{key}_file`");
        return merged.errors.push(ConfigError::from(here, &path, message));
    }
    put(&mut merged.table, &path, value);
    // What an earlier layer had inside is gone.
    merged.origins.retain(|inner, _| !inner.strip_prefix(&path).is_some_and(|rest| rest.starts_with(['.', '['])));
    merged.origins.insert(path, here);
}

/// `<key>_file` for a text key: the file's content, without the line break at its end.
fn from_file(schema: &Table, path: &str, value: &Value) -> Option<Result<(String, Value), String>> {
    if lookup(schema, path).is_some() {
        return None;
    }
    let key = path.strip_suffix("_file")?;
    let (Value::String(_), Value::String(file)) = (lookup(schema, key)?, value) else { return None };
    Some(match std::fs::read_to_string(file) {
        Ok(text) => Ok((key.to_owned(), Value::String(text.trim_end_matches(['\r', '\n']).to_owned()))),
        Err(error) => Err(format!("cannot read `{file}`: {error}")),
    })
}

fn lookup<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    let mut keys = path.split('.');
    let mut value = table.get(keys.next()?)?;
    for key in keys {
        value = value.as_table()?.get(key)?;
    }
    Some(value)
}

fn put(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
        }
        Some((key, rest)) => {
            if let Some(Value::Table(inner)) = table.get_mut(key) {
                put(inner, rest, value);
            }
        }
    }
}

fn same_kind(default: &Value, value: &Value) -> bool {
    default.same_type(value) || matches!((default, value), (Value::Float(_), Value::Integer(_)))
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "an array",
        Value::Table(_) => "a table",
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|b| **b == b'\n').count() + 1
}

/// The key of the same table that shares the longest beginning with the unknown one.
fn nearest_key(schema: &Table, path: &str) -> Option<String> {
    let (parent, last) = path.rsplit_once('.').map_or(("", path), |(parent, last)| (parent, last));
    let siblings = if parent.is_empty() { schema } else { lookup(schema, parent)?.as_table()? };
    nearest(siblings.keys().map(String::as_str), last).map(str::to_owned)
}

/// The key that shares the longest beginning with the unknown one.
pub(super) fn nearest<'a>(keys: impl Iterator<Item = &'a str>, unknown: &str) -> Option<&'a str> {
    let shared = |key: &str| key.bytes().zip(unknown.bytes()).take_while(|(a, b)| a == b).count();
    keys.max_by_key(|key| shared(key)).filter(|key| shared(key) >= 3)
}
