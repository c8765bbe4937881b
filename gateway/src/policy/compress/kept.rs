//! Answers of the gateway's own that never change: compressed once, since anybody may ask for them as often as they like.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::encoder::{self, Levels};
use crate::config::Coding;

/// Marks an answer whose body is the same whenever it has this name, as an extension of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Same(pub Cow<'static, str>);

/// Name and coding, and what came of it; `None` while it is being made.
type Made = HashMap<(Same, Coding), Option<Bytes>>;

/// What has been compressed so far. Only what the gateway has in itself is marked, so that it stays small.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept(Arc<Mutex<Made>>);

impl Kept {
    /// The compressed body. The first who asks for one goes without: it is made meanwhile.
    pub(super) fn find(&self, name: &Same, coding: Coding, levels: Levels, body: &Bytes) -> Option<Bytes> {
        let key = (name.clone(), coding);
        if let Some(made) = self.0.lock().get(&key) {
            return made.clone();
        }
        self.0.lock().insert(key.clone(), None);
        let (kept, body) = (self.clone(), body.clone());
        tokio::task::spawn_blocking(move || {
            if let Ok(made) = encoder::whole(coding, levels, &body) {
                kept.0.lock().insert(key, Some(made));
            }
        });
        None
    }
}
