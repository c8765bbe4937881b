//! A parameter in path, query or header: where it stands, how it is written (OpenAPI 3.1, section 4.8.12), and what it may
//! be.

use std::borrow::Cow;

use actix_web::http::header::{HeaderMap, HeaderName};
use shared::http::fault::Fault;

use super::operation::is_json;
use super::reference::Spot;
use super::text::{Form, Given, decoded};
use super::values::{Rules, Schemas};
use crate::upstream::convert;

/// Headers of which OpenAPI says that what it says of them counts for nothing.
const IGNORED: [&str; 3] = ["accept", "content-type", "authorization"];

/// A parameter.
#[derive(Debug)]
pub(super) struct Parameter {
    name: String,
    place: Place,
    required: bool,
    may_be_empty: bool,
    form: Form,
    style: Style,
    explode: bool,
    rules: Option<Rules>,
}

#[derive(Debug)]
enum Place {
    /// The segment with this index.
    Path(usize),
    Query,
    Header(HeaderName),
}

/// How lists and objects are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Commas,
    Spaces,
    Pipes,
    Deep,
}

/// What parameters are read from.
pub(super) struct Sources<'a> {
    path: &'a str,
    query: Vec<(Cow<'a, str>, &'a str)>,
    headers: &'a HeaderMap,
}

impl<'a> Sources<'a> {
    /// Of a request.
    pub(super) fn of(path: &'a str, query: &'a str, headers: &'a HeaderMap) -> Self {
        let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let query = pairs.filter_map(|(name, value)| Some((decoded(name, true)?, value))).collect();
        Self { path, query, headers }
    }
}

impl Parameter {
    /// Compiles a parameter of the operation at `path`. `None`: it is none that is judged.
    pub(super) fn compile(schemas: &Schemas, spot: &Spot<'_>, path: &str) -> Option<Self> {
        let document = schemas.document();
        let name = spot.text("name")?.to_owned();
        let place = match spot.text("in")? {
            "path" => {
                let is_it =
                    |segment: &str| segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) == Some(&name);
                Place::Path(path.split('/').position(is_it)?)
            }
            "query" => Place::Query,
            "header" => {
                let header: HeaderName = name.parse().ok()?;
                // What the gateway makes itself, the client need not send.
                let judged = !IGNORED.contains(&header.as_str()) && convert::is_clients(header.as_str());
                Place::Header(Some(header).filter(|_| judged)?)
            }
            _ => return None,
        };
        let (style, explode) = match (spot.text("style"), &place) {
            (None | Some("form"), Place::Query) => (Style::Commas, true),
            (Some("spaceDelimited"), Place::Query) => (Style::Spaces, false),
            (Some("pipeDelimited"), Place::Query) => (Style::Pipes, false),
            (Some("deepObject"), Place::Query) => (Style::Deep, true),
            (None | Some("simple"), Place::Path(_) | Place::Header(_)) => (Style::Commas, false),
            // Matrix and label: paths of a kind that nobody has.
            _ => return None,
        };
        let json = spot.value.get("content").and_then(|content| content.as_object()?.keys().find(|kind| is_json(kind)));
        let (form, schema) = match (spot.member(document, "schema"), json) {
            (Some(schema), _) => (Form::of(document, &schema), Some(schema)),
            (None, Some(kind)) => {
                let media = spot.member(document, "content").and_then(|content| content.member(document, kind));
                (Form::Json, media.and_then(|media| media.member(document, "schema")))
            }
            (None, None) => return None,
        };
        Some(Self {
            required: spot.flag("required") == Some(true),
            may_be_empty: spot.flag("allowEmptyValue") == Some(true),
            explode: spot.flag("explode").unwrap_or(explode),
            rules: schema.and_then(|schema| schemas.rules(&schema.pointer)),
            name,
            place,
            form,
            style,
        })
    }

    /// Whether it is part of the path: what is wrong there is a path to nothing.
    pub(super) const fn is_in_path(&self) -> bool {
        matches!(self.place, Place::Path(_))
    }

    /// What is wrong with it.
    pub(super) fn faults(&self, sources: &Sources<'_>) -> Vec<Fault> {
        let given = match &self.place {
            Place::Path(index) => {
                let segment = sources.path.split('/').nth(*index).unwrap_or_default();
                self.given(segment, |text| decoded(text, false))
            }
            Place::Query => self.in_query(&sources.query),
            Place::Header(name) => {
                let mut lines = sources.headers.get_all(name).map(|line| line.to_str().ok());
                let Some(lines) = lines.by_ref().collect::<Option<Vec<_>>>() else { return vec![self.mistyped()] };
                if lines.is_empty() {
                    Ok(Given::Nothing)
                } else {
                    return self.judge(self.given(&lines.join(","), |text| Some(Cow::Borrowed(text.trim()))));
                }
            }
        };
        self.judge(given)
    }

    fn judge(&self, given: Result<Given<'_>, Option<Fault>>) -> Vec<Fault> {
        let given = match given {
            Ok(Given::Nothing) if self.required => return vec![self.told(Fault::parameter_missing())],
            Ok(Given::Nothing) => return Vec::new(),
            Ok(given) => given,
            Err(fault) => return vec![fault.unwrap_or_else(|| self.mistyped())],
        };
        if self.may_be_empty && matches!(&given, Given::Texts(texts) if texts.iter().all(|text| text.is_empty())) {
            return Vec::new();
        }
        let Some(value) = self.form.read(&given, false) else { return vec![self.mistyped()] };
        let Some(rules) = &self.rules else { return Vec::new() };
        let faults = rules.faults(&value);
        // "5" may be a number, and it may be a text.
        if faults.is_empty() || self.form.read(&given, true).is_some_and(|plain| rules.allow(&plain)) {
            return Vec::new();
        }
        faults.into_iter().map(|fault| self.told(fault)).collect()
    }

    fn told(&self, fault: Fault) -> Fault {
        match self.place {
            Place::Path(_) | Place::Query => fault.of_query(&self.name),
            Place::Header(_) => fault.of_header(&self.name),
        }
    }

    fn mistyped(&self) -> Fault {
        let (rule, detail) = self.form.wanted();
        match self.place {
            Place::Path(_) | Place::Query => Fault::malformed_query(&self.name, rule, detail),
            Place::Header(_) => Fault::against(String::new(), rule, detail).of_header(&self.name),
        }
    }

    /// What the query has of it. An error without a fault: it cannot be read.
    fn in_query<'a>(&self, pairs: &[(Cow<'a, str>, &'a str)]) -> Result<Given<'a>, Option<Fault>> {
        let values: Vec<&'a str> =
            pairs.iter().filter(|(name, _)| *name == self.name).map(|(_, value)| *value).collect();
        let text = |raw: &'a str| decoded(raw, true).ok_or(None);
        match (&self.form, &values[..]) {
            (Form::Object(..), _) if self.style == Style::Deep => {
                let inner = |name: &Cow<'a, str>| {
                    let rest = name.strip_prefix(self.name.as_str())?.strip_prefix('[')?.strip_suffix(']')?;
                    Some(Cow::Owned(rest.to_owned()))
                };
                members(pairs.iter().filter_map(|(name, value)| Some((inner(name)?, *value))), text)
            }
            (Form::Object(known, _), _) if self.explode => {
                let is_one = |name: &str| known.iter().any(|(known, _)| known == name);
                members(pairs.iter().filter(|(name, _)| is_one(name)).map(|(name, value)| (name.clone(), *value)), text)
            }
            (_, []) => Ok(Given::Nothing),
            (Form::List(_), _) if self.explode => {
                Ok(Given::Texts(values.iter().map(|value| text(value)).collect::<Result<_, _>>()?))
            }
            (_, [value]) => self.given(value, |raw| decoded(raw, true)),
            (_, [_, _, ..]) => Err(Some(Fault::malformed_query(&self.name, "repeated", "give it once"))),
        }
    }

    /// What a text that stands for the whole parameter has of it.
    fn given<'a>(
        &self,
        raw: &'a str,
        text: impl Fn(&'a str) -> Option<Cow<'a, str>>,
    ) -> Result<Given<'a>, Option<Fault>> {
        let text = |raw| text(raw).ok_or(None);
        let pieces: Vec<&'a str> = match (&self.form, self.style) {
            (Form::One(_) | Form::Json, _) => return Ok(Given::Texts(vec![text(raw)?])),
            (Form::List(_) | Form::Object(..), _) if raw.is_empty() => Vec::new(),
            (Form::List(_) | Form::Object(..), Style::Commas | Style::Deep) => raw.split(',').collect(),
            (Form::List(_) | Form::Object(..), Style::Spaces) => {
                raw.split('+').flat_map(|piece| piece.split("%20")).collect()
            }
            (Form::List(_) | Form::Object(..), Style::Pipes) => {
                raw.split('|').flat_map(|piece| piece.split("%7C")).flat_map(|piece| piece.split("%7c")).collect()
            }
        };
        match &self.form {
            Form::Object(..) if self.explode => {
                let pairs: Option<Vec<_>> = pieces.iter().map(|piece| piece.split_once('=')).collect();
                let named = pairs.ok_or(None)?.into_iter().map(|(name, value)| Ok((text(name)?, value)));
                members(named.collect::<Result<Vec<_>, Option<Fault>>>()?.into_iter(), text)
            }
            Form::Object(..) => {
                let (pairs, []) = pieces.as_chunks::<2>() else { return Err(None) };
                let named = pairs.iter().map(|[name, value]| Ok((text(name)?, *value)));
                members(named.collect::<Result<Vec<_>, Option<Fault>>>()?.into_iter(), text)
            }
            Form::One(_) | Form::List(_) | Form::Json => {
                Ok(Given::Texts(pieces.into_iter().map(text).collect::<Result<_, _>>()?))
            }
        }
    }
}

fn members<'a>(
    pairs: impl Iterator<Item = (Cow<'a, str>, &'a str)>,
    text: impl Fn(&'a str) -> Result<Cow<'a, str>, Option<Fault>>,
) -> Result<Given<'a>, Option<Fault>> {
    let members = pairs.map(|(name, value)| Ok((name, text(value)?))).collect::<Result<Vec<_>, Option<Fault>>>()?;
    Ok(if members.is_empty() { Given::Nothing } else { Given::Members(members) })
}
