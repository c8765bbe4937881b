//! What a registration or a patch of a client says, and which clients there may be.

use serde::Deserialize;
use shared::http::patch::Field;
use shared::problem::{Code, Problem};

use super::model::{Client, GrantType, Kind};
use super::redirect;
use crate::config::Config;
use crate::oauth::scope::{self, Scope, WHOLE};

/// In characters.
const MAX_NAME: usize = 60;
const MAX_REDIRECTS: usize = 20;
const MAX_SCOPES: usize = 30;

/// A client to be registered.
#[derive(Clone, Debug, Deserialize, serde::Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RegisterClientRequest)]
pub struct RegisterRequest {
    /// What users are told it is called: 1 to 60 characters.
    #[schema(example = "Bookkeeper", min_length = 1, max_length = 60)]
    pub name: String,
    /// `confidential` when absent.
    #[serde(default = "confidential")]
    pub r#type: Kind,
    /// At least one. `refresh_token` goes with `authorization_code`; `client_credentials` only with a secret.
    #[schema(min_items = 1)]
    pub grant_types: Vec<GrantType>,
    /// At least one. `api` only where it is trusted.
    #[schema(min_items = 1, max_items = 30)]
    pub scopes: Vec<String>,
    /// For `authorization_code` at least one. Compared as text, but for the port of `http://127.0.0.1` and `http://[::1]`.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub redirect_uris: Vec<String>,
    /// `false` when absent.
    #[serde(default)]
    pub trusted: bool,
}

/// A merge patch of a client.
#[derive(Clone, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ClientPatch)]
pub struct PatchRequest {
    /// What users are told it is called.
    #[serde(default)]
    #[schema(value_type = Option<String>, nullable = false, min_length = 1, max_length = 60)]
    pub name: Field<String>,
    /// How it may ask for tokens.
    #[serde(default)]
    #[schema(value_type = Option<Vec<GrantType>>, nullable = false, min_items = 1)]
    pub grant_types: Field<Vec<GrantType>>,
    /// What its tokens may be used for.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, nullable = false, min_items = 1, max_items = 30)]
    pub scopes: Field<Vec<String>>,
    /// Where users may be sent back to.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, nullable = false, max_items = 20)]
    pub redirect_uris: Field<Vec<String>>,
    /// Whether users are not asked.
    #[serde(default)]
    #[schema(value_type = Option<bool>, nullable = false)]
    pub trusted: Field<bool>,
    /// `true`: it gets no tokens, and those that it has are void within a second.
    #[serde(default)]
    #[schema(value_type = Option<bool>, nullable = false)]
    pub disabled: Field<bool>,
}

/// How a new secret is wanted.
#[derive(Clone, Copy, Debug, Default, Deserialize, serde::Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ClientSecretRequest)]
pub struct SecretRequest {
    /// `true`: the old secret is void at once, and every token that the client has got for itself. Otherwise the old one
    /// goes on for a day.
    #[serde(default)]
    pub now: bool,
}

const fn confidential() -> Kind {
    Kind::Confidential
}

/// What may be chosen of a client.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub name: String,
    pub kind: Kind,
    pub grants: Vec<GrantType>,
    pub scopes: Scope,
    pub redirect_uris: Vec<String>,
    pub trusted: bool,
    pub disabled: bool,
}

impl Chosen {
    /// Of a registration.
    pub fn of(request: RegisterRequest, config: &Config) -> Result<Self, Problem> {
        let RegisterRequest { name, r#type: kind, grant_types, scopes, redirect_uris, trusted } = request;
        let scopes = known(scopes, config);
        Self { name, kind, grants: grant_types, scopes: Scope::default(), redirect_uris, trusted, disabled: false }
            .checked(scopes)
    }

    /// Of a client with a patch.
    pub fn patched(client: &Client, patch: PatchRequest, config: &Config) -> Result<Self, Problem> {
        let scopes = match patch.scopes.required("/scopes")? {
            Some(scopes) => known(scopes, config),
            None => Ok(client.scopes.clone()),
        };
        Self {
            name: patch.name.required("/name")?.unwrap_or_else(|| client.name.clone()),
            kind: client.kind,
            grants: patch.grant_types.required("/grant_types")?.unwrap_or_else(|| client.grants.clone()),
            scopes: Scope::default(),
            redirect_uris: patch
                .redirect_uris
                .required("/redirect_uris")?
                .unwrap_or_else(|| client.redirect_uris.clone()),
            trusted: patch.trusted.required("/trusted")?.unwrap_or(client.trusted),
            disabled: patch.disabled.required("/disabled")?.unwrap_or(client.disabled),
        }
        .checked(scopes)
    }

    /// Every rule, all faults at once.
    fn checked(mut self, scopes: Result<Scope, Vec<usize>>) -> Result<Self, Problem> {
        let mut faults: Vec<(String, &str, String)> = Vec::new();
        let mut fault = |at: String, code: &'static str, detail: &str| faults.push((at, code, detail.to_owned()));
        if !is_name(&self.name) {
            fault("/name".into(), "format", "1 to 60 characters, no control characters, no blanks at its ends");
        }
        self.grants.sort_unstable();
        self.grants.dedup();
        let has = |grant| self.grants.contains(&grant);
        let (code, own, refresh) =
            (has(GrantType::AuthorizationCode), has(GrantType::ClientCredentials), has(GrantType::RefreshToken));
        if !code && !own {
            fault("/grant_types".into(), "min_items", "at least authorization_code or client_credentials");
        }
        if refresh && !code {
            fault("/grant_types".into(), "state", "refresh_token goes with authorization_code");
        }
        if own && self.kind == Kind::Public {
            fault("/grant_types".into(), "state", "client_credentials only with a secret");
        }
        match scopes {
            Ok(scopes) => self.scopes = scopes,
            Err(unknown) => {
                unknown
                    .into_iter()
                    .for_each(|at| fault(format!("/scopes/{at}"), "unknown_scope", "no scope that there is"));
            }
        }
        if self.scopes.has(WHOLE) && !self.trusted {
            fault("/scopes".into(), "state", "`api` only for a client that is trusted");
        }
        let usable = if code { self.scopes.clone() } else { self.scopes.impersonal() };
        if usable.is_empty() || usable.words().count() > MAX_SCOPES {
            fault("/scopes".into(), "min_items", "1 to 30 that mean something for its grant types");
        }
        if code == self.redirect_uris.is_empty() || self.redirect_uris.len() > MAX_REDIRECTS {
            fault("/redirect_uris".into(), "min_items", "1 to 20 with authorization_code, none without");
        }
        for (at, uri) in self.redirect_uris.iter().enumerate().take(MAX_REDIRECTS) {
            if let Err(rule) = redirect::check(uri) {
                fault(format!("/redirect_uris/{at}"), "redirect_uri", rule);
            }
        }
        if faults.is_empty() {
            return Ok(self);
        }
        let problem = Problem::new(Code::ValidationFailed);
        Err(faults.into_iter().fold(problem, |problem, (at, code, detail)| problem.error(at, code.to_owned(), detail)))
    }
}

/// The scopes, or the places of those that there are not.
fn known(words: Vec<String>, config: &Config) -> Result<Scope, Vec<usize>> {
    let unknown = words.iter().enumerate().filter(|(_, word)| !scope::all(config).any(|known| known == *word));
    let unknown: Vec<_> = unknown.map(|(at, _)| at).take(MAX_SCOPES).collect();
    if unknown.is_empty() { Ok(words.into_iter().collect()) } else { Err(unknown) }
}

/// It is shown to users who decide by it: nothing that turns text around or hides in it.
fn is_name(name: &str) -> bool {
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{061c}')
    };
    (1..=MAX_NAME).contains(&name.chars().count()) && !name.chars().any(odd) && name.trim() == name
}
