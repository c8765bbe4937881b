//! Every operation of the merged document, found by upstream, path and method in as many steps as the path has segments.

use std::cell::LazyCell;
use std::collections::HashMap;
use std::sync::Arc;

use actix_web::http::Method;
use serde_json::Value;

use super::operation::Operation;
use super::values::Schemas;

/// Methods that a document may have operations of, but HEAD, which is GET's.
const METHODS: [(&str, Method); 6] = [
    ("get", Method::GET),
    ("put", Method::PUT),
    ("post", Method::POST),
    ("delete", Method::DELETE),
    ("options", Method::OPTIONS),
    ("patch", Method::PATCH),
];

/// One edition, immutable.
#[derive(Debug, Default)]
pub struct Operations {
    upstreams: HashMap<String, Node>,
    count: usize,
}

/// Who answers an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner<'a> {
    /// The upstream's name.
    pub upstream: &'a str,
    /// Whether it is a service of ours, which judges values itself.
    pub ours: bool,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<Box<str>, Node>,
    any: Option<Box<Node>>,
    here: Vec<(Method, Arc<Operation>)>,
}

impl Operations {
    /// Compiles a document; `owner` says whose an operation (path, method) is.
    #[must_use]
    pub fn compile<'a>(document: &Value, owner: impl Fn(&str, &Method) -> Option<Owner<'a>>) -> Self {
        let mut all = Self::default();
        // Made only where somebody needs them.
        let schemas = LazyCell::new(|| Schemas::of(document));
        for path in document.get("paths").and_then(Value::as_object).into_iter().flatten().map(|(path, _)| path) {
            for (name, method) in &METHODS {
                let Some(owner) = owner(path, method) else { continue };
                let schemas = if owner.ours { None } else { Some(&*schemas) };
                let Some(operation) = Operation::compile(document, path, name, schemas) else { continue };
                let node = all.upstreams.entry(owner.upstream.to_owned()).or_default();
                node.at(path).here.push((method.clone(), Arc::new(operation)));
                all.count += 1;
            }
        }
        all
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// The operation that a request asks for. Literal segments go before parameters.
    #[must_use]
    pub(super) fn find(&self, upstream: &str, path: &str, method: &Method) -> Option<Arc<Operation>> {
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        self.upstreams.get(upstream)?.find(path.strip_prefix('/')?, method).map(Arc::clone)
    }
}

impl Node {
    fn at(&mut self, template: &str) -> &mut Self {
        let mut node = self;
        for segment in template.strip_prefix('/').unwrap_or(template).split('/') {
            node = match segment.starts_with('{') && segment.ends_with('}') {
                true => node.any.get_or_insert_default(),
                false => node.literals.entry(segment.into()).or_default(),
            };
        }
        node
    }

    fn find(&self, path: &str, method: &Method) -> Option<&Arc<Operation>> {
        let (segment, rest) = path.split_once('/').map_or((path, None), |(segment, rest)| (segment, Some(rest)));
        let literal = self.literals.get(segment);
        literal.into_iter().chain(self.any.as_deref()).find_map(|next| match rest {
            Some(rest) => next.find(rest, method),
            None => next.here.iter().find(|(known, _)| known == method).map(|(_, operation)| operation),
        })
    }
}
