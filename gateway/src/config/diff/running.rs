//! What a gateway that runs says of itself: `GET /admin/api/config`, where secrets are hidden already.

use serde::Deserialize;
use shared::config::Secret;
use toml::Table;

use super::{DiffError, Side};

#[derive(Deserialize)]
struct Shown {
    data: serde_json::Value,
}

impl Side {
    /// The gateway whose operators' listener is at `url`; `token` is what that listener asks for.
    ///
    /// # Errors
    /// When nobody answers, or something else does.
    pub async fn running(url: &str, token: &Secret) -> Result<Self, DiffError> {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
        let asked = client.get(format!("{}/admin/api/config", url.trim_end_matches('/')));
        let asked = if token.is_empty() { asked } else { asked.bearer_auth(token.expose()) };
        let text = asked.send().await?.error_for_status()?.text().await?;
        let shown: Shown = serde_json::from_str(&text).map_err(|error| DiffError::NoGateway(error.to_string()))?;
        let shown = Table::try_from(shown.data).map_err(|error| DiffError::NoGateway(error.to_string()))?;
        Ok(Self::only_shown(shown))
    }
}
