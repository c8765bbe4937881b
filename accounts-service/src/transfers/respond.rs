//! What became of a wish, as an answer: with a receipt, where one is wanted.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, ETAG, LOCATION};
use shared::http::QueryPairs;
use shared::problem::{CONTENT_TYPE_PROBLEM, Code, Problem};
use shared::wire::idempotency::REPLAYED_HEADER;

use super::http::json;
use super::model::Transfer;
use super::render;
use super::shown::Standing;
use crate::app::App;
use crate::posting::{Answer, Outcome};

/// The query parameters of whatever records a transfer.
const PARAMETERS: [&str; 2] = ["dry_run", "receipt"];

/// Whether it is only to be tried out, and whether a receipt is wanted.
///
/// # Errors
/// 422 for both, and for whatever else.
pub(super) fn wishes(query: QueryPairs) -> Result<(bool, bool), Problem> {
    let query = query.only(&PARAMETERS)?;
    let (dry_run, receipt) = (query.flag("dry_run")?, query.flag("receipt")?);
    if dry_run && receipt {
        let why = "a dry run has no receipt: nothing has happened";
        return Err(Problem::new(Code::ValidationFailed).error("?receipt", "dry_run", why));
    }
    Ok((dry_run, receipt))
}

/// Whether a receipt is wanted. Made before anything is done, so that who would get none is refused while nothing has happened.
pub(super) struct Wanted<'a> {
    app: &'a App,
    receipt: bool,
}

impl<'a> Wanted<'a> {
    /// None is.
    pub fn none(app: &'a App) -> Self {
        Self { app, receipt: false }
    }

    /// One is if it was asked for; 503 when it could not be signed now.
    pub async fn if_asked(app: &'a App, receipt: bool) -> Result<Self, Problem> {
        if receipt {
            app.receipts.ready().await?;
        }
        Ok(Self { app, receipt })
    }

    /// The first answer and its replay differ in one header, and a receipt, which is kept under no key, in when it was signed.
    /// A transfer stands when its receipt fails: the same key has both later. The tag is that of the resource which `Location`
    /// names (RFC 9110, section 15.3.2), and that has no receipt.
    pub async fn respond(self, answer: Answer, base: &str) -> Result<HttpResponse, Problem> {
        let (mut response, body) = match answer.outcome {
            Outcome::Posted(decided) => {
                let (mut response, id) = (json(StatusCode::CREATED), decided.record.id);
                response.insert_header((LOCATION, format!("{base}/transfers/{id}")));
                response.insert_header((ETAG, Standing::recorded(&decided.record).etag(id)));
                (response, self.body(&Transfer { decided, at: answer.at }).await?.into())
            }
            Outcome::Results(items) => (json(StatusCode::OK), render::done(&items, answer.at)),
            Outcome::Stored(status, body) => {
                let mut response = json(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
                if status >= 400 {
                    response.insert_header((CONTENT_TYPE, CONTENT_TYPE_PROBLEM));
                }
                (response, body)
            }
        };
        if answer.replayed {
            response.insert_header((REPLAYED_HEADER, "true"));
        }
        Ok(response.body(body))
    }

    async fn body(&self, transfer: &Transfer) -> Result<Vec<u8>, Problem> {
        if !self.receipt {
            return Ok(render::transfer(transfer));
        }
        let receipt = self.app.receipts.of(transfer, None).await?;
        Ok(render::receipted(transfer, &receipt.jws))
    }
}
