//! Cursors that go on only in the list that handed them out: the same rows, narrowed and ordered in the same way.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use shared::domain::paging::CursorRequest;
use shared::problem::{Code, Problem};

/// Bytes of the digest in a cursor: lists are told apart, nothing is kept secret by it.
const NAMED_BY: usize = 8;

/// A list, as its cursors name it.
#[derive(Clone, Debug)]
pub struct List(String);

impl List {
    /// The list `name`, narrowed and ordered as `by` says. Of parsed values, so that what is spelt in another way is
    /// still the same list.
    #[must_use]
    pub fn new(name: &str, by: &impl Serialize) -> Self {
        let mut hash = Sha256::new();
        hash.update(serde_json::to_vec(&(name, by)).unwrap_or_default());
        Self(hex::encode(&hash.finalize()[..NAMED_BY]))
    }

    /// What a cursor of this list holds.
    pub const fn mark<P>(&self, position: P) -> (&String, P) {
        (&self.0, position)
    }

    /// The position to go on from; 400 `invalid_cursor` when another list handed it out.
    pub fn position<P: DeserializeOwned>(&self, request: &CursorRequest) -> Result<Option<P>, Problem> {
        match request.position::<(String, P)>()? {
            Some((list, _)) if list != self.0 => Err(Problem::new(Code::InvalidCursor)),
            marked => Ok(marked.map(|(_, position)| position)),
        }
    }
}
