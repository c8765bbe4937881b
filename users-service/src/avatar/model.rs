//! What an avatar is: in three sizes, of three kinds, in one of three states.

use serde::Serialize;
use shared::http::QueryPairs;
use shared::problem::{Code, Problem};
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// How large it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// 64 pixels a side.
    Thumb,
    /// 256.
    Medium,
    /// 512.
    Large,
}

impl Size {
    /// Every size, from small to large.
    pub const ALL: [Self; 3] = [Self::Thumb, Self::Medium, Self::Large];

    /// As in the query, and in entity tags.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Thumb => "thumb",
            Self::Medium => "medium",
            Self::Large => "large",
        }
    }

    /// Pixels a side; an image that is smaller stays as small as it is.
    #[must_use]
    pub const fn side(self) -> u32 {
        match self {
            Self::Thumb => 64,
            Self::Medium => 256,
            Self::Large => 512,
        }
    }

    /// The size that a query asks for: the largest when it names none.
    ///
    /// # Errors
    /// 422 for a word that is no size, and for other parameters.
    pub fn asked(query: QueryPairs) -> Result<Self, Problem> {
        let query = query.only(&["size"])?;
        let Some(word) = query.get("size") else { return Ok(Self::Large) };
        Self::ALL
            .into_iter()
            .find(|size| size.as_str() == word)
            .ok_or_else(|| Problem::new(Code::ValidationFailed).error("?size", "one_of", "one of thumb, medium, large"))
    }
}

/// What it may be sent as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// WebP.
    Webp,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Png, Self::Jpeg, Self::Webp];

    /// Its media type.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
        }
    }

    /// The kind with this media type.
    #[must_use]
    pub fn of(media: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(media))
    }
}

/// How far what was sent last has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// It waits for its turn, or is being made small.
    Processing,
    /// It is shown.
    Ready,
    /// It could not be read.
    Failed,
}

impl Progress {
    /// As it is stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Processing => "processing",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }

    /// Reads a stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Processing, Self::Ready, Self::Failed].into_iter().find(|status| status.as_str() == word)
    }
}

/// An image as it is, and no JSON: for the document only.
#[derive(Clone, Copy, Debug)]
pub struct Image;

impl PartialSchema for Image {
    fn schema() -> RefOr<Schema> {
        let bytes = ObjectBuilder::new().schema_type(SchemaType::AnyValue);
        bytes.description(Some("The bytes of an image.")).into()
    }
}

impl ToSchema for Image {}

/// What is answered while there is no image to show.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
pub struct AvatarStatus {
    /// How far it has come: always `processing` where this is answered.
    pub status: Progress,
}
