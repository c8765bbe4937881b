//! A mail server, spoken to over a connection of its own for each mail. What it says to the message is the last word:
//! whoever has answered for a mail is not asked to do it again because of how they say goodbye.

mod server;

use std::error::Error as _;
use std::time::Duration;

use lettre::Message;
use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::DEFAULT_MECHANISMS;
use lettre::transport::smtp::client::{AsyncSmtpConnection, Tls};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter};
use tokio::time::timeout;

use super::mailer::MailError;
use super::transport::{Hindrance, SendError};
use crate::config;
use server::Server;

/// Replies to a recipient that are for good (RFC 5321, section 4.2.3): no such mailbox, not local, no room by policy, a
/// name that is none, a domain without mail (RFC 7504). Any other 5yz may be the fault of our own settings, and mended.
const FOR_GOOD: [&str; 5] = ["550", "551", "552", "553", "556"];

/// How long a server may take to say goodbye.
const FAREWELL: Duration = Duration::from_millis(500);

/// The way to the server.
#[derive(Debug)]
pub(super) struct Smtp {
    server: Server,
    /// For a whole mail: a server may take its time with each of a dozen answers.
    timeout: Duration,
}

/// What a reply was given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    /// Us: who we are, and in whose name we write.
    Sender,
    /// The mailbox.
    Recipient,
    /// The message.
    Message,
}

/// What keeps an address from being a mail server's.
pub(super) fn fault(url: &str) -> Option<String> {
    Server::parse(url).err().map(|error| error.to_string())
}

impl Smtp {
    /// For the server that `mail.smtp_url` names. The first mail connects.
    pub(super) fn connect(config: &config::Mail) -> Result<Self, MailError> {
        let server = Server::parse(config.smtp_url.expose());
        let server = server.map_err(|error| MailError::SmtpUrl(error.to_string()))?;
        Ok(Self { server, timeout: config.timeout.get() })
    }

    /// Hands a message over.
    pub(super) async fn send(&self, message: &Message) -> Result<(), SendError> {
        let late = |_| SendError::Later(Hindrance::ours("the mail server did not answer in time"));
        let talk = async {
            let mut connection = self.greet().await.map_err(|error| sorted(&error, To::Sender))?;
            let handed = hand_over(&mut connection, message.envelope(), &message.formatted()).await;
            Ok((connection, handed))
        };
        let (mut connection, handed) = timeout(self.timeout, talk).await.map_err(late)??;
        if timeout(FAREWELL, connection.quit()).await.is_err() {
            tracing::debug!("the mail server did not say goodbye");
        }
        handed
    }

    async fn greet(&self) -> Result<AsyncSmtpConnection, Error> {
        let Server { host, port, tls, hello, credentials } = &self.server;
        let (around, within) = match tls {
            Tls::Wrapper(parameters) => (Some(parameters.clone()), None),
            Tls::Required(parameters) => (None, Some((parameters, true))),
            Tls::Opportunistic(parameters) => (None, Some((parameters, false))),
            _ => (None, None),
        };
        let at = (host.as_str(), *port);
        let mut connection = AsyncSmtpConnection::connect_tokio1(at, Some(self.timeout), hello, around, None).await?;
        if let Some((parameters, is_required)) = within
            && (is_required || connection.can_starttls())
        {
            connection.starttls(parameters.clone(), hello).await?;
        }
        if let Some(credentials) = credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}

/// Mail, recipient, message: each word of the server's counts for what it was said to.
async fn hand_over(connection: &mut AsyncSmtpConnection, envelope: &Envelope, message: &[u8]) -> Result<(), SendError> {
    let mut parameters = Vec::new();
    // Addresses of other scripts (RFC 6531) and bytes above 127 (RFC 6152) go only to who knows them.
    let is_ascii = envelope.to().iter().chain(envelope.from()).all(|address| AsRef::<str>::as_ref(address).is_ascii());
    for (needed, extension, parameter) in [
        (!is_ascii, Extension::SmtpUtfEight, MailParameter::SmtpUtfEight),
        (!message.is_ascii(), Extension::EightBitMime, MailParameter::Body(MailBodyParameter::EightBitMime)),
    ] {
        if needed && !connection.server_info().supports_feature(extension) {
            return Err(SendError::Later(Hindrance::ours("the mail server takes no letters beyond ASCII")));
        }
        if needed {
            parameters.push(parameter);
        }
    }
    let of = |to| move |error: Error| sorted(&error, to);
    connection.command(Mail::new(envelope.from().cloned(), parameters)).await.map_err(of(To::Sender))?;
    for recipient in envelope.to() {
        connection.command(Rcpt::new(recipient.clone(), Vec::new())).await.map_err(of(To::Recipient))?;
    }
    connection.command(Data).await.map_err(of(To::Message))?;
    connection.message(message).await.map(drop).map_err(of(To::Message))
}

fn sorted(error: &Error, to: To) -> SendError {
    let code = error.status().map(|code| code.to_string());
    let refused = error.is_permanent() && code.as_ref().is_some_and(|code| FOR_GOOD.contains(&code.as_str()));
    let said = error.source().map(ToString::to_string).unwrap_or_default();
    let for_good = refused && is_about_the_mailbox(to, &said);
    let hindrance = Hindrance { kind: kind(error, code), said: error.to_string() };
    if for_good { SendError::Never(hindrance) } else { SendError::Later(hindrance) }
}

/// Whether a refusal speaks of the mailbox, and not of us, of our settings, or of what somebody thinks of our mail. Many
/// servers judge the sender only when they hear of the recipient; the enhanced code says which it is (RFC 3463: X.1 are
/// addresses, of which X.1.7 and X.1.8 are senders', and X.1.0 does not say whose; X.2 are mailboxes).
fn is_about_the_mailbox(to: To, said: &str) -> bool {
    match (to, enhanced(said)) {
        (To::Sender, _) | (To::Message, None) => false,
        (To::Recipient, None) => true,
        (To::Recipient | To::Message, Some((1, detail))) => !matches!(detail, 0 | 7 | 8),
        (To::Recipient | To::Message, Some((subject, _))) => subject == 2,
    }
}

/// Subject and detail of an enhanced status code, if the reply begins with one.
fn enhanced(said: &str) -> Option<(u16, u16)> {
    let mut numbers = said.split_whitespace().next()?.split('.').map(str::parse::<u16>);
    match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(5)), Some(Ok(subject)), Some(Ok(detail)), None) => Some((subject, detail)),
        (_, _, _, _) => None,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_said_of_the_mailbox_is_for_good() {
        for (to, said, for_good) in [
            (To::Recipient, "no such user", true),
            (To::Recipient, "5.1.1 <ada@example.org>: who?", true),
            (To::Recipient, "5.1.10 no mail here", true),
            (To::Recipient, "5.2.1 this mailbox is disabled", true),
            (To::Recipient, "5.7.1 Sender address rejected: not owned by user", false),
            (To::Recipient, "5.1.0 Sender address rejected", false),
            (To::Recipient, "5.1.8 Sender address rejected: Domain not found", false),
            (To::Recipient, "5.7.64 TenantAttribution; Relay Access Denied", false),
            (To::Message, "5.2.2 the mailbox is full", true),
            (To::Message, "5.7.1 this looks like spam", false),
            (To::Message, "no", false),
            (To::Sender, "5.1.1 who are you?", false),
        ] {
            assert_eq!(is_about_the_mailbox(to, said), for_good, "{to:?} {said}");
        }
    }
}
