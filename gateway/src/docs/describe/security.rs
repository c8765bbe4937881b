//! Who an operation is for: the credentials that its row of the table takes, as security schemes.

use serde_json::{Map, Value, json};

use crate::config::Auth;
use crate::route::Route;
use crate::tables::Tables;

/// By the name that the services give it too.
const TOKEN: &str = "access_token";
const KEY: &str = "api_key";
const BEARER_KEY: &str = "api_key_as_bearer";
const COOKIE: &str = "session_cookie";
const CERTIFICATE: &str = "client_certificate";

/// Adds every scheme that some row may take. Those that none takes are left out of the document in the end.
pub(in crate::docs) fn add_schemes(components: &mut Map<String, Value>, tables: &Tables) {
    let keys = &tables.issuers.keys;
    let mut schemes = Map::new();
    if let Some(header) = &keys.header {
        let text = "An API key, made for a script or a service. It may do what its scope says.";
        let scheme = json!({"type": "apiKey", "in": "header", "name": header.as_str(), "description": text});
        schemes.insert(KEY.to_owned(), scheme);
    }
    if !keys.prefix.is_empty() {
        let text = format!("An API key in place of a token: `Authorization: Bearer {}…`.", keys.prefix);
        schemes.insert(BEARER_KEY.to_owned(), json!({"type": "http", "scheme": "bearer", "description": text}));
    }
    if let Some(name) = &tables.issuers.cookie {
        let text = "An access token in a browser's cookie. A request that changes something must come from a page that may \
                    make it.";
        let scheme = json!({"type": "apiKey", "in": "cookie", "name": name, "description": text});
        schemes.insert(COOKIE.to_owned(), scheme);
    }
    let text = "A client certificate of an authority that the operator trusts.";
    schemes.insert(CERTIFICATE.to_owned(), json!({"type": "mutualTLS", "description": text}));
    let there = components.entry("securitySchemes").or_insert_with(|| json!({}));
    schemes.into_iter().for_each(|(name, scheme)| there[name] = scheme);
}

/// What a row takes of its caller's credentials.
pub(super) struct Credentials {
    /// The schemes of which one is needed, or may be shown.
    schemes: Vec<&'static str>,
    pub(super) keys: bool,
    pub(super) cookie: bool,
    /// Whether an issuer may have to be asked whether its token holds.
    pub(super) asked: bool,
}

impl Credentials {
    pub(super) fn of(route: &Route, tables: &Tables) -> Self {
        let issuers = &tables.issuers;
        let looked_at = route.auth != Auth::None;
        let tokens = looked_at && issuers.take_tokens(route.issuers);
        let keys = looked_at && issuers.keys.are_taken(route.issuers);
        let asked = looked_at && issuers.ask_about_tokens(route.issuers);
        let cookie = tokens && issuers.cookie.is_some();
        let all = [
            (TOKEN, tokens),
            (KEY, keys && issuers.keys.header.is_some()),
            (BEARER_KEY, keys && !issuers.keys.prefix.is_empty()),
            (COOKIE, cookie),
        ];
        Self {
            schemes: all.into_iter().filter(|(_, taken)| *taken).map(|(name, _)| name).collect(),
            keys,
            cookie,
            asked,
        }
    }

    /// The operation's `security`. What an upstream asks for by itself, where the gateway asks for nothing, stays as the
    /// upstream says it.
    pub(super) fn requirements(&self, route: &Route, said: Option<&Value>) -> Option<Value> {
        let (all, any) = route.scopes.named();
        let scopes: Vec<&String> = all.iter().chain(any).collect();
        let mut ways: Vec<Map<String, Value>> =
            self.schemes.iter().map(|name| Map::from_iter([((*name).to_owned(), json!(scopes))])).collect();
        match route.auth {
            Auth::Required => {}
            Auth::Optional => ways.push(Map::new()),
            Auth::None if !route.certificate.required => return None,
            Auth::None => {
                let said = said.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
                ways.extend(said.cloned());
                if ways.is_empty() {
                    ways.push(Map::new());
                }
            }
        }
        if route.certificate.required {
            ways.iter_mut().for_each(|way| drop(way.insert(CERTIFICATE.to_owned(), json!([]))));
        }
        Some(json!(ways))
    }
}
