//! An answer that is kept with its key, as it was given.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LOCATION};
use shared::wire::idempotency::REPLAYED_HEADER;

use crate::db::entity::idempotency_key;

/// An answer as it is given and kept.
#[derive(Clone, Debug)]
pub struct Stored {
    /// HTTP status.
    pub status: u16,
    /// `Location`, for what was created.
    pub location: Option<String>,
    /// `ETag` of the representation.
    pub etag: Option<String>,
    /// JSON.
    pub body: Vec<u8>,
    /// Whether it was given before.
    pub replayed: bool,
}

impl From<Stored> for HttpResponse {
    fn from(stored: Stored) -> Self {
        let mut response = Self::build(StatusCode::from_u16(stored.status).unwrap_or(StatusCode::OK));
        response.insert_header((CONTENT_TYPE, "application/json"));
        response.insert_header((CACHE_CONTROL, "no-store"));
        if let Some(location) = stored.location {
            response.insert_header((LOCATION, location));
        }
        if let Some(etag) = stored.etag {
            response.insert_header((ETAG, etag));
        }
        if stored.replayed {
            response.insert_header((REPLAYED_HEADER, "true"));
        }
        response.body(stored.body)
    }
}

impl Stored {
    /// The first answer again, from its row.
    pub(super) fn again(row: idempotency_key::Model) -> Self {
        Self {
            status: u16::try_from(row.status).unwrap_or(500),
            location: row.location,
            etag: row.etag,
            body: row.body,
            replayed: true,
        }
    }
}
