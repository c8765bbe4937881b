//! A mail server, spoken to over a connection of its own for each mail.

use lettre::transport::smtp::Error;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::mailer::MailError;
use super::transport::SendError;
use crate::config;

/// Replies to a recipient that are for good (RFC 5321, section 4.2.3): no such mailbox, not local, no room by policy, a
/// name that is none, a domain without mail (RFC 7504). Any other 5yz may be the fault of our own settings, and mended.
const FOR_GOOD: [&str; 5] = ["550", "551", "552", "553", "556"];

/// The way to the server.
#[derive(Debug)]
pub(super) struct Smtp(AsyncSmtpTransport<Tokio1Executor>);

/// What keeps an address from being a mail server's.
pub(super) fn fault(url: &str) -> Option<String> {
    AsyncSmtpTransport::<Tokio1Executor>::from_url(url).err().map(|error| error.to_string())
}

impl Smtp {
    /// For the server that `mail.smtp_url` names. The first mail connects.
    pub(super) fn connect(config: &config::Mail) -> Result<Self, MailError> {
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(config.smtp_url.expose());
        let builder = builder.map_err(|error| MailError::SmtpUrl(error.to_string()))?;
        Ok(Self(builder.timeout(Some(config.timeout.get())).build()))
    }

    /// Hands a message over.
    pub(super) async fn send(&self, message: Message) -> Result<(), SendError> {
        self.0.send(message).await.map(drop).map_err(|error| sorted(&error))
    }
}

fn sorted(error: &Error) -> SendError {
    let code = error.status().map(|code| code.to_string());
    let for_good = error.is_permanent() && code.is_some_and(|code| FOR_GOOD.contains(&code.as_str()));
    let text = error.to_string();
    if for_good { SendError::Never(text) } else { SendError::Later(text) }
}
