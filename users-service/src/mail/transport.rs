//! How mail leaves: into a folder, or to a mail server.

use std::path::PathBuf;

use lettre::Message;
use shared::domain::MailId;

use super::mailer::MailError;
use super::smtp::Smtp;
use super::spool;
use crate::config::{self, MailTransport};

/// Why a mail has not left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SendError {
    /// It may go another time.
    Later(Hindrance),
    /// It never will: the server says that there is no such mailbox.
    Never(Hindrance),
}

/// What kept it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hindrance {
    /// For the log: which kind. Not in a server's words, which like to name the mailbox.
    pub kind: String,
    /// For the row, which knows the address anyway.
    pub said: String,
}

impl Hindrance {
    /// In words of ours, which hold no address.
    pub(super) fn ours(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { kind: text.clone(), said: text }
    }
}

/// One of the two.
#[derive(Debug)]
pub(super) enum Transport {
    /// Files in this folder, so many at most.
    Spool { folder: PathBuf, most: usize },
    /// A mail server.
    Smtp(Box<Smtp>),
}

impl Transport {
    /// As the settings say. Connects to nobody yet.
    pub(super) fn of(config: &config::Mail) -> Result<Self, MailError> {
        Ok(match config.transport {
            MailTransport::Spool => Self::Spool { folder: config.spool.clone(), most: config.spool_most },
            MailTransport::Smtp => Self::Smtp(Box::new(Smtp::connect(config)?)),
        })
    }

    /// Hands a message over. Returning means that whoever took it answers for it now.
    pub(super) async fn send(&self, id: MailId, message: Message) -> Result<(), SendError> {
        match self {
            Self::Spool { folder, most } => spool::keep(folder.clone(), *most, id, message.formatted()).await,
            Self::Smtp(server) => server.send(&message).await,
        }
    }
}
