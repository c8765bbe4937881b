//! One row as one line: written in exactly one way, and read only if it is written in that way.

use std::fmt::{self, Write as _};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Unexpected, Visitor};
use uuid::Uuid;

use super::table::{Column, Kind, Table};

/// What stands in a column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    Null,
    Int(i64),
    Flag(bool),
    Id(Uuid),
    Text(String),
    Bytes(Vec<u8>),
}

/// A row of a table.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub table: &'static Table,
    pub values: Vec<Value>,
}

impl Record {
    fn value(&self, name: &str) -> &Value {
        self.table.at(name).and_then(|at| self.values.get(at)).unwrap_or(&Value::Null)
    }

    /// The integer of a column that may be null.
    pub fn some_int(&self, name: &str) -> Option<i64> {
        if let Value::Int(int) = self.value(name) { Some(*int) } else { None }
    }

    /// The integer of a column that is none.
    pub fn int(&self, name: &str) -> i64 {
        self.some_int(name).unwrap_or_default()
    }

    pub fn some_id(&self, name: &str) -> Option<Uuid> {
        if let Value::Id(id) = self.value(name) { Some(*id) } else { None }
    }

    pub fn id(&self, name: &str) -> Uuid {
        self.some_id(name).unwrap_or_default()
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        if let Value::Text(text) = self.value(name) { Some(text) } else { None }
    }

    pub fn bytes(&self, name: &str) -> &[u8] {
        if let Value::Bytes(bytes) = self.value(name) { bytes } else { &[] }
    }

    /// What orders it among the rows of its table.
    pub fn key(&self) -> Vec<Value> {
        let keyed = self.table.columns.iter().zip(&self.values).filter(|(column, _)| column.key);
        keyed.map(|(_, value)| value.clone()).collect()
    }

    /// Its place in the order of commit, if the table it lies in depends on that.
    pub fn place(&self) -> Option<i64> {
        let placed = self.table.columns.iter().zip(&self.values).find(|(column, _)| column.place);
        if let Some((_, Value::Int(place))) = placed { Some(*place) } else { None }
    }

    /// Appends its line.
    pub fn write(&self, line: &mut String) {
        // Writing to a String cannot fail.
        write!(line, "{{\"{}\":{{", self.table.name).unwrap_or_default();
        for (n, (column, value)) in self.table.columns.iter().zip(&self.values).enumerate() {
            let comma = if n == 0 { "" } else { "," };
            write!(line, "{comma}\"{}\":", column.name).unwrap_or_default();
            value.write(line);
        }
        line.push_str("}}\n");
    }

    /// Reads a line, its end included.
    pub fn read(table: &'static Table, line: &str) -> Result<Self, String> {
        let inner = line.strip_prefix("{\"").and_then(|line| line.strip_prefix(table.name));
        let inner = inner.and_then(|line| line.strip_prefix("\":")).and_then(|line| line.strip_suffix("}\n"));
        let inner = inner.ok_or_else(|| format!("no record of {}, though one has to come here", table.name))?;
        let mut json = serde_json::Deserializer::from_str(inner);
        let values = Cells(table).deserialize(&mut json).and_then(|values| json.end().map(|()| values));
        let record = Self { table, values: values.map_err(|error| plain(&error))? };
        let mut again = String::with_capacity(line.len());
        record.write(&mut again);
        if again == line { Ok(record) } else { Err("spelt in another way than an export spells it".to_owned()) }
    }
}

impl Value {
    fn write(&self, line: &mut String) {
        match self {
            Self::Null => line.push_str("null"),
            Self::Int(int) => write!(line, "{int}").unwrap_or_default(),
            Self::Flag(flag) => line.push_str(if *flag { "true" } else { "false" }),
            Self::Id(id) => write!(line, "\"{}\"", id.as_hyphenated()).unwrap_or_default(),
            // A text always has a form in JSON.
            Self::Text(text) => line.push_str(&serde_json::to_string(text).unwrap_or_default()),
            Self::Bytes(bytes) => write!(line, "\"{}\"", hex::encode(bytes)).unwrap_or_default(),
        }
    }
}

/// Without the place within the line, whose own place is told.
fn plain(error: &serde_json::Error) -> String {
    let told = error.to_string();
    told.rsplit_once(" at line ").map_or(told.clone(), |(what, _)| what.to_owned())
}

/// Reads the members of a table's row, all of them and in their order.
struct Cells(&'static Table);

impl<'de> DeserializeSeed<'de> for Cells {
    type Value = Vec<Value>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Cells {
    type Value = Vec<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a row of {}", self.0.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::with_capacity(self.0.columns.len());
        for column in self.0.columns {
            match map.next_key::<String>()? {
                Some(name) if name == column.name => values.push(map.next_value_seed(Cell(column))?),
                Some(name) => {
                    return Err(A::Error::custom(format_args!("`{name}` where `{}` has to stand", column.name)));
                }
                None => return Err(A::Error::missing_field(column.name)),
            }
        }
        match map.next_key::<String>()? {
            Some(name) => Err(A::Error::custom(format_args!("unknown member `{name}`"))),
            None => Ok(values),
        }
    }
}

/// Reads what stands in a column.
struct Cell(&'static Column);

impl Cell {
    fn int<E: Error>(&self, int: i64) -> Result<Value, E> {
        let fits = match self.0.kind {
            Kind::Small => i16::try_from(int).is_ok(),
            Kind::Whole => i32::try_from(int).is_ok(),
            Kind::Big => true,
            Kind::Id | Kind::Flag | Kind::Text | Kind::Bytes => {
                return Err(E::invalid_type(Unexpected::Signed(int), self));
            }
        };
        if fits { Ok(Value::Int(int)) } else { Err(E::invalid_value(Unexpected::Signed(int), self)) }
    }
}

impl<'de> DeserializeSeed<'de> for Cell {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl Visitor<'_> for Cell {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.0.kind {
            Kind::Id => "a UUID in lower case",
            Kind::Small => "an integer of 16 bits",
            Kind::Whole => "an integer of 32 bits",
            Kind::Big => "an integer of 64 bits",
            Kind::Flag => "true or false",
            Kind::Text => "a text",
            Kind::Bytes => "bytes in hexadecimal",
        };
        let null = if self.0.nullable { " or null" } else { "" };
        write!(f, "{kind}{null} in `{}`", self.0.name)
    }

    fn visit_i64<E: Error>(self, int: i64) -> Result<Value, E> {
        self.int(int)
    }

    fn visit_u64<E: Error>(self, int: u64) -> Result<Value, E> {
        let signed = i64::try_from(int).map_err(|_| E::invalid_value(Unexpected::Unsigned(int), &self))?;
        self.int(signed)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        match self.0.kind {
            Kind::Flag => Ok(Value::Flag(flag)),
            Kind::Id | Kind::Small | Kind::Whole | Kind::Big | Kind::Text | Kind::Bytes => {
                Err(E::invalid_type(Unexpected::Bool(flag), &self))
            }
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        let wrong = || E::invalid_value(Unexpected::Str(text), &self);
        match self.0.kind {
            Kind::Id => Uuid::try_parse(text).map(Value::Id).map_err(|_| wrong()),
            // PostgreSQL keeps no NUL in a text, and nobody can have sent one.
            Kind::Text if text.contains('\0') => Err(wrong()),
            Kind::Text => Ok(Value::Text(text.to_owned())),
            Kind::Bytes => hex::decode(text).map(Value::Bytes).map_err(|_| wrong()),
            Kind::Small | Kind::Whole | Kind::Big | Kind::Flag => Err(E::invalid_type(Unexpected::Str(text), &self)),
        }
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        if self.0.nullable { Ok(Value::Null) } else { Err(E::invalid_type(Unexpected::Unit, &self)) }
    }
}
