//! How mail leaves: into a folder, or to a mail server.

use std::path::PathBuf;
use std::time::Duration;

use lettre::Message;
use shared::domain::MailId;

use super::mailer::MailError;
use super::smtp::Smtp;
use super::spool;
use crate::config::{self, MailTransport};

/// Why a mail has not left.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SendError {
    /// It may go another time.
    #[error("{0}")]
    Later(String),
    /// It never will: the server says that there is no such mailbox.
    #[error("{0}")]
    Never(String),
}

/// One of the two.
#[derive(Debug)]
pub(super) enum Transport {
    /// Files in this folder.
    Spool(PathBuf),
    /// A mail server.
    Smtp { server: Box<Smtp>, timeout: Duration },
}

impl Transport {
    /// As the settings say. Connects to nobody yet.
    pub(super) fn of(config: &config::Mail) -> Result<Self, MailError> {
        Ok(match config.transport {
            MailTransport::Spool => Self::Spool(config.spool.clone()),
            MailTransport::Smtp => {
                Self::Smtp { server: Box::new(Smtp::connect(config)?), timeout: config.timeout.get() }
            }
        })
    }

    /// Hands a message over. Returning means that whoever took it answers for it now.
    pub(super) async fn send(&self, id: MailId, message: Message) -> Result<(), SendError> {
        match self {
            Self::Spool(folder) => spool::keep(folder.clone(), id, message.formatted()).await,
            Self::Smtp { server, timeout } => {
                // Around everything: a server may take its time with each of a dozen answers.
                let sent = tokio::time::timeout(*timeout, server.send(message)).await;
                sent.unwrap_or_else(|_| Err(SendError::Later("the mail server did not answer in time".to_owned())))
            }
        }
    }
}
