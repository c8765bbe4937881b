//! From what was asked to a statement that only has to be written.

use shared::auth::SignedIn;
use shared::clock;
use shared::domain::AccountId;
use shared::http::QueryPairs;
use shared::problem::{Code, Problem};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::model::{Format, Statement};
use crate::accounts;
use crate::app::App;
use crate::history::Window;

/// Every parameter.
pub const PARAMETERS: [&str; 3] = ["from", "to", "format"];

/// What was asked for. Instants are microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    from: Option<i64>,
    to: Option<i64>,
    /// The form.
    pub format: Format,
}

impl Asked {
    /// From the query, which has only [`PARAMETERS`].
    pub fn parse(query: &QueryPairs) -> Result<Self, Problem> {
        let (from, to) = (instant(query, "from")?, instant(query, "to")?);
        let format = Format::parse(query.get("format"))?;
        match (from, to) {
            (Some(from), Some(to)) if from > to => Err(backwards()),
            (_, _) => Ok(Self { from, to, format }),
        }
    }
}

/// The statement, if `who` may see the account, and where its lines are. Without `from` it begins with the account,
/// without `to` it ends now.
pub async fn find(app: &App, who: &SignedIn, id: AccountId, asked: Asked) -> Result<(Window, Statement), Problem> {
    let account = accounts::visible(&app.db, who, id).await?;
    let to = asked.to.unwrap_or_else(|| app.clock.now_micros());
    let from = asked.from.unwrap_or_else(|| account.created_at.min(to));
    if from > to {
        return Err(backwards());
    }
    // Whoever opened the account may have had a clock ahead of whoever posted first: all means all.
    let all = asked.from.unwrap_or(i64::MIN);
    let window = app.history.window(id, all, to).await.map_err(|unanswered| unanswered.problem("to"))?;
    let currency = account.currency.parse().map_err(|_| Problem::internal("accounts.currency"))?;
    let statement = Statement {
        account: id,
        name: account.name,
        currency,
        from,
        to,
        after: window.before,
        last: window.last,
        opening: window.opening,
        closing: window.closing,
    };
    Ok((window, statement))
}

fn instant(query: &QueryPairs, name: &'static str) -> Result<Option<i64>, Problem> {
    let Some(text) = query.get(name) else { return Ok(None) };
    let at = OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| Problem::new(Code::MalformedQuery).error(format!("?{name}"), "instant", "an RFC 3339 instant"))?;
    Ok(Some(clock::to_micros(at)))
}

fn backwards() -> Problem {
    Problem::new(Code::ValidationFailed).error("?from", "order", "not after `to`")
}
