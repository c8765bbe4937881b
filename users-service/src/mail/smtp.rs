//! A mail server, spoken to over a connection of its own for each mail.

use lettre::transport::smtp::Error;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::mailer::MailError;
use super::transport::{Hindrance, SendError};
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
    let for_good = error.is_permanent() && code.as_ref().is_some_and(|code| FOR_GOOD.contains(&code.as_str()));
    let hindrance = Hindrance { kind: kind(error, code), said: error.to_string() };
    if for_good { SendError::Never(hindrance) } else { SendError::Later(hindrance) }
}

/// For the log: what the server said is in the row.
fn kind(error: &Error, code: Option<String>) -> String {
    match code {
        Some(code) => format!("the mail server answered {code}"),
        None if error.is_timeout() => "the mail server did not answer in time".to_owned(),
        None if error.is_tls() => "no TLS with the mail server".to_owned(),
        None if error.is_response() => "the mail server's answer is none".to_owned(),
        None if error.is_client() => "the mail library refuses the mail".to_owned(),
        None => "no connection to the mail server".to_owned(),
    }
}
