//! What is wrong with a value, in the words that our services have for it.

use jsonschema::error::TypeKind;
use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;
use shared::http::fault::{Fault, join};

/// A value or a pattern is shown up to so many characters.
const SHOWN: usize = 80;

/// What is said where nothing more can be.
pub(super) const UNTOLD: &str = "it is not what the document describes";

/// Adds what an error of a schema means.
pub(super) fn tell(error: &ValidationError<'_>, faults: &mut Vec<Fault>) {
    let at = error.instance_path().as_str();
    let mut add = |rule, detail: String| faults.push(Fault::against(at.to_owned(), rule, detail));
    match error.kind() {
        Kind::Type { kind } => faults.push(Fault::mistyped(at.to_owned(), &wanted(kind))),
        Kind::Required { property } => {
            faults.push(Fault::missing(join(at, property.as_str().unwrap_or_default())));
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            faults.extend(unexpected.iter().map(|name| Fault::unknown(join(at, name))));
        }
        Kind::FalseSchema => faults.push(Fault::unknown(at.to_owned())),
        Kind::Enum { options } => faults.push(Fault::none_of(at.to_owned(), words(options))),
        Kind::Constant { expected_value } => faults.push(Fault::none_of(at.to_owned(), vec![word(expected_value)])),
        Kind::Pattern { pattern } => add("pattern", format!("text that matches {} is wanted", shown(pattern))),
        Kind::BacktrackLimitExceeded { .. } | Kind::RegexEngineFailure { .. } => {
            add("pattern", "text that can be held against a pattern is wanted".to_owned());
        }
        Kind::Format { format } => add("format", format!("no {format}")),
        Kind::ContentEncoding { content_encoding } => add("format", format!("no {content_encoding}")),
        Kind::ContentMediaType { content_media_type } => add("format", format!("no {content_media_type}")),
        Kind::FromUtf8 { .. } => add("format", "no UTF-8".to_owned()),
        Kind::MinLength { limit } => add("length", format!("at least {limit} characters")),
        Kind::MaxLength { limit } => add("length", format!("at most {limit} characters")),
        Kind::Minimum { limit } => add("range", format!("at least {limit}")),
        Kind::Maximum { limit } => add("range", format!("at most {limit}")),
        Kind::ExclusiveMinimum { limit } => add("range", format!("more than {limit}")),
        Kind::ExclusiveMaximum { limit } => add("range", format!("less than {limit}")),
        Kind::MultipleOf { multiple_of } => add("multiple_of", format!("a multiple of {multiple_of}")),
        Kind::MinItems { limit } => add("min_items", format!("at least {limit} items")),
        Kind::MaxItems { limit } => add("max_items", format!("at most {limit} items")),
        Kind::AdditionalItems { limit } => add("max_items", format!("at most {limit} items")),
        Kind::UnevaluatedItems { .. } => add("max_items", "there are items that have no meaning here".to_owned()),
        Kind::UniqueItems => add("unique_items", "no two items may be the same".to_owned()),
        Kind::Contains => add("contains", "an item that is needed is not there, or is there too often".to_owned()),
        Kind::MinProperties { limit } => add("min_members", format!("at least {limit} members")),
        Kind::MaxProperties { limit } => add("max_members", format!("at most {limit} members")),
        Kind::PropertyNames { .. } => add("member_name", "a member has a name that it may not have".to_owned()),
        Kind::Not { .. } => add("not", "this is what may not stand here".to_owned()),
        Kind::OneOfMultipleValid { .. } => add("ambiguous", "it fits more than one of the forms".to_owned()),
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => match meant(at, context) {
            Some(branch) => branch.iter().for_each(|error| tell(error, faults)),
            None => add("no_form", "it fits none of the forms".to_owned()),
        },
        // Neither comes of a value: they are ours to mend, and no client is told of them.
        Kind::Custom { .. } | Kind::Referencing(_) => add("invalid", UNTOLD.to_owned()),
    }
}

/// Of several forms the only one that has the value's own type, which must be the one that was meant: above all, the one
/// that is not null.
fn meant<'e>(at: &str, forms: &'e [Vec<ValidationError<'static>>]) -> Option<&'e Vec<ValidationError<'static>>> {
    let is_other = |error: &ValidationError<'_>| {
        let kind = matches!(error.kind(), Kind::Type { .. } | Kind::Enum { .. } | Kind::Constant { .. });
        kind && error.instance_path().as_str() == at
    };
    let mut likely = forms.iter().filter(|errors| !errors.iter().any(is_other));
    likely.next().filter(|_| likely.next().is_none())
}

fn wanted(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => article(*one).to_owned(),
        TypeKind::Multiple(several) => several.iter().map(article).collect::<Vec<_>>().join(" or "),
    }
}

const fn article(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Array => "an array",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "an integer",
        JsonType::Null => "null",
        JsonType::Number => "a number",
        JsonType::Object => "an object",
        JsonType::String => "text",
    }
}

fn words(options: &Value) -> Vec<String> {
    options.as_array().into_iter().flatten().map(word).collect()
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| shown(&value.to_string()), shown)
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
