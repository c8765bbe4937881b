//! An export as the document describes it: what is held where says what is in it.

use std::borrow::Cow;

use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::users::held::{Holds, Section, Shape, TABLES};

/// When it was written, and a member for each place.
pub struct ExportView;

impl PartialSchema for ExportView {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).description(Some("When it was written."));
        let mut export = ObjectBuilder::new().schema_type(Type::Object).property("exported_at", text);
        for table in TABLES {
            let Holds::People { sections, .. } = &table.holds else { continue };
            for section in *sections {
                export = export.property(section.member, of(section));
            }
        }
        export.description(Some("Everything that is held about a user.")).into()
    }
}

impl ToSchema for ExportView {
    fn name() -> Cow<'static, str> {
        "Export".into()
    }
}

fn of(section: &Section) -> RefOr<Schema> {
    let mut row = ObjectBuilder::new().schema_type(Type::Object);
    for column in section.columns {
        row = match kind(column.shape) {
            Some(kind) => {
                row.property(column.name, ObjectBuilder::new().schema_type(SchemaType::from_iter([kind, Type::Null])))
            }
            // Whatever it is.
            None => row.property(column.name, ObjectBuilder::new()),
        };
    }
    if section.one { row.into() } else { ArrayBuilder::new().items(row).into() }
}

const fn kind(shape: Shape) -> Option<Type> {
    match shape {
        Shape::Id | Shape::Text | Shape::Instant => Some(Type::String),
        Shape::Number => Some(Type::Integer),
        Shape::Flag => Some(Type::Boolean),
        Shape::Words => Some(Type::Array),
        Shape::Json => None,
    }
}
