//! An authorization request as it comes (RFC 6749, section 4.1.1; RFC 7636; OpenID Connect Core, section 3.1.2.1): whom an
//! answer may be sent to is settled first, and only then is anything else looked at.

use shared::domain::ClientId;
use url::form_urlencoded;

use super::scope::Scope;
use crate::app::App;
use crate::clients::{self, Client, GrantType};
use crate::db::Fault;

/// The longest query or form that is read. The gateway takes no longer address, and the form of a page has to carry it.
pub(super) const MAX_BYTES: usize = 8_192;
const MAX_PARAMETERS: usize = 50;
/// What a client wants back as it sent it.
const MAX_TEXT: usize = 2_048;
/// BASE64URL of a SHA-256 (RFC 7636, section 4.2).
const CHALLENGE: usize = 43;

/// What a client has asked for; every rule holds.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub client: Client,
    pub redirect_uri: String,
    pub scope: Scope,
    pub state: Option<String>,
    pub nonce: Option<String>,
    pub challenge: String,
    pub prompt: Prompt,
    /// The user must have signed in no longer ago, in seconds.
    pub max_age: Option<u64>,
    pub login_hint: Option<String>,
    /// Whether the user is to be asked in any case.
    pub ask_consent: bool,
}

/// What the user may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    /// Whatever there is to ask.
    Any,
    /// Nothing.
    Nothing,
    /// To sign in, also if they have.
    Login,
}

/// Why there is no request.
#[derive(Debug)]
pub(super) enum Unasked {
    /// Nobody knows who could be told but whoever sits there: a page.
    Page(&'static str),
    /// The client is told.
    Client(Refusal),
    /// The database failed.
    Database(Fault),
}

/// What a client is told in place of a code.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub redirect_uri: String,
    pub state: Option<String>,
    pub error: &'static str,
    pub description: &'static str,
}

impl From<Fault> for Unasked {
    fn from(fault: Fault) -> Self {
        Self::Database(fault)
    }
}

/// Parameters in the order sent, decoded.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn parse(text: &str) -> Option<Self> {
        let few = text.len() <= MAX_BYTES && text.split('&').count() <= MAX_PARAMETERS;
        few.then(|| Self(form_urlencoded::parse(text.as_bytes()).into_owned().collect()))
    }

    fn is_repeated(&self, name: &str) -> bool {
        self.0.iter().filter(|(known, _)| known == name).count() > 1
    }

    /// Empty counts as omitted (RFC 6749, section 3.1).
    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    fn any_repeated(&self) -> bool {
        self.0.iter().any(|(name, _)| self.is_repeated(name))
    }
}

impl Asked {
    /// Reads a query, or a form.
    ///
    /// # Errors
    /// Who is told what.
    pub async fn parse(app: &App, text: &str) -> Result<Self, Unasked> {
        let parameters = Parameters::parse(text).ok_or(Unasked::Page("The request is too long."))?;
        for name in ["client_id", "redirect_uri"] {
            if parameters.is_repeated(name) {
                return Err(Unasked::Page("The request names more than one application, or more than one address."));
            }
        }
        let unknown = Unasked::Page("The application that has sent you here is not known.");
        let Some(id) = parameters.get("client_id").and_then(|id| id.parse::<ClientId>().ok()) else {
            return Err(unknown);
        };
        let client = clients::find(app.database.read(), id).await?.filter(|client| !client.disabled).ok_or(unknown)?;
        let redirect_uri = parameters.get("redirect_uri").unwrap_or_default().to_owned();
        if !clients::is_registered(&client.redirect_uris, &redirect_uri) {
            return Err(Unasked::Page("The application wants you to be sent back to an address that is not its own."));
        }
        let state = parameters.get("state").map(str::to_owned).filter(|_| !parameters.is_repeated("state"));
        let refusal = |error, description| {
            Unasked::Client(Refusal { redirect_uri: redirect_uri.clone(), state: state.clone(), error, description })
        };
        let asked = Self::of(client, &parameters).map_err(|(error, description)| refusal(error, description))?;
        Ok(Self { redirect_uri: redirect_uri.clone(), state: state.clone(), ..asked })
    }

    /// All but whom an answer goes to.
    fn of(client: Client, parameters: &Parameters) -> Result<Self, (&'static str, &'static str)> {
        let invalid = |description| ("invalid_request", description);
        if parameters.any_repeated() {
            return Err(invalid("a parameter stands more than once"));
        }
        for (name, error) in [
            ("request", "request_not_supported"),
            ("request_uri", "request_uri_not_supported"),
            ("registration", "registration_not_supported"),
        ] {
            if parameters.get(name).is_some() {
                return Err((error, "not supported"));
            }
        }
        let text = |name| match parameters.get(name) {
            Some(value) if value.len() > MAX_TEXT || value.contains(char::is_control) => {
                Err(invalid("a parameter is too long, or has control characters"))
            }
            value => Ok(value.map(str::to_owned)),
        };
        let (_, nonce, login_hint) = (text("state")?, text("nonce")?, text("login_hint")?);
        match parameters.get("response_type") {
            Some("code") => {}
            Some(_) => return Err(("unsupported_response_type", "only code is supported")),
            None => return Err(invalid("response_type is missing")),
        }
        if !matches!(parameters.get("response_mode"), None | Some("query")) {
            return Err(invalid("only the response_mode query is supported"));
        }
        if !client.may(GrantType::AuthorizationCode) {
            return Err(("unauthorized_client", "the client may not ask for codes"));
        }
        // The default of an absent method is plain (RFC 7636, section 4.3), which is not served.
        if parameters.get("code_challenge_method") != Some("S256") {
            return Err(invalid("PKCE with code_challenge_method=S256 is required"));
        }
        let challenge = parameters.get("code_challenge").filter(|challenge| is_challenge(challenge));
        let challenge = challenge.ok_or(invalid("code_challenge is no BASE64URL of a SHA-256"))?.to_owned();
        let scope = match parameters.get("scope") {
            Some(text) => Scope::parse(text).ok_or(("invalid_scope", "the scope is no list of words"))?,
            None => client.scopes.clone(),
        };
        if scope.is_empty() || !scope.is_within(&client.scopes) {
            return Err(("invalid_scope", "the scope is unknown, or not the client's to ask for"));
        }
        let (prompt, ask_consent) = prompt(parameters.get("prompt"))?;
        let max_age = parameters.get("max_age").map(str::parse).transpose();
        let max_age = max_age.map_err(|_| invalid("max_age is no number of seconds"))?;
        let (redirect_uri, state) = (String::new(), None);
        Ok(Self { client, redirect_uri, scope, state, nonce, challenge, prompt, max_age, login_hint, ask_consent })
    }

    /// The same request refused.
    pub fn refused(self, error: &'static str, description: &'static str) -> Refusal {
        Refusal { redirect_uri: self.redirect_uri, state: self.state, error, description }
    }
}

fn is_challenge(text: &str) -> bool {
    text.len() == CHALLENGE && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn prompt(text: Option<&str>) -> Result<(Prompt, bool), (&'static str, &'static str)> {
    let words: Vec<_> = text.unwrap_or_default().split(' ').filter(|word| !word.is_empty()).collect();
    let has = |word| words.contains(&word);
    if !words.iter().all(|word| matches!(*word, "none" | "login" | "consent" | "select_account")) {
        return Err(("invalid_request", "prompt is none of none, login and consent"));
    }
    if has("none") && words.len() > 1 {
        return Err(("invalid_request", "prompt=none stands alone"));
    }
    let prompt = match (has("none"), has("login") || has("select_account")) {
        (true, _) => Prompt::Nothing,
        (false, true) => Prompt::Login,
        (false, false) => Prompt::Any,
    };
    Ok((prompt, has("consent")))
}
