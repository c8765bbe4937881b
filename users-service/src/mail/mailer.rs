//! What the rest of the service has of mail: a bell for the worker, and where links lead.

use lettre::Address;
use lettre::message::Mailbox;
use shared::config::{Dur, Report};
use shared::domain::LinkId;
use tokio::sync::Notify;

use super::smtp;
use super::transport::Transport;
use crate::config::{self, Config, MailTransport};
use crate::keys::Keys;
use crate::links::{self, Purpose};

/// Why mail cannot be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The sender's address is none.
    #[error("mail.from: {0}")]
    From(String),
    /// The server's address is none.
    #[error("mail.smtp_url: {0}")]
    SmtpUrl(String),
}

/// How mail is sent.
#[derive(Debug)]
pub struct Mailer {
    pub(super) transport: Transport,
    pub(super) from: Mailbox,
    bell: Notify,
}

impl Mailer {
    /// As the settings say.
    ///
    /// # Errors
    /// When the settings make no sense; [`check`] has said so before.
    pub fn new(config: &config::Mail) -> Result<Self, MailError> {
        Ok(Self { transport: Transport::of(config)?, from: sender(config)?, bell: Notify::new() })
    }

    /// Says that a mail is owed since a commit of just now. Without it the worker finds out by itself a little later.
    pub fn wake(&self) {
        self.bell.notify_one();
    }

    /// Until somebody rings.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// By which name we write.
    pub(super) fn product(&self) -> &str {
        self.from.name.as_deref().unwrap_or_else(|| self.from.email.domain())
    }
}

/// With the domain in its ASCII form, which every server and every `Message-ID` takes.
fn sender(config: &config::Mail) -> Result<Mailbox, MailError> {
    let wrong = |error: &dyn std::fmt::Display| MailError::From(error.to_string());
    let Mailbox { name, email } = config.from.parse().map_err(|error: lettre::address::AddressError| wrong(&error))?;
    let domain = idna::domain_to_ascii(email.domain()).map_err(|error| wrong(&error))?;
    let email = Address::new(email.user(), domain).map_err(|error| wrong(&error))?;
    Ok(Mailbox::new(name, email))
}

/// The address behind a link: the one that the settings name, else our own page.
pub(super) fn url(config: &Config, keys: &Keys, id: LinkId, purpose: Purpose) -> String {
    let mail = &config.mail;
    let (set, page) = match purpose {
        Purpose::VerifyEmail => (&mail.verify_url, "verify"),
        Purpose::ChangeEmail => (&mail.change_url, "email"),
        Purpose::ResetPassword => (&mail.reset_url, "reset"),
    };
    let token = links::seal(id, purpose, &keys.refresh);
    if set.is_empty() {
        return format!("{}/account/{page}?token={token}", config.tokens.issuer);
    }
    let joint = if set.contains('?') { '&' } else { '?' };
    format!("{set}{joint}token={token}")
}

/// What would keep mail from being sent: reported with the other mistakes of the configuration.
pub fn check(config: &Config, report: &mut Report<'_>) {
    let mail = &config.mail;
    if let Err(error) = sender(mail) {
        report.error("mail.from", error.to_string());
    }
    if mail.transport == MailTransport::Smtp {
        let url = mail.smtp_url.expose();
        if let Some(error) = smtp::fault(url) {
            report.error("mail.smtp_url", error);
        }
        let secret = url.split('/').nth(2).is_some_and(|authority| authority.contains('@'));
        let covered = url.starts_with("smtps://") || url.contains("tls=required");
        report.ensure(!secret || covered, "mail.smtp_url", "a password goes only over TLS: smtps://, or ?tls=required");
    }
    for (key, url) in [("verify", &mail.verify_url), ("change", &mail.change_url), ("reset", &mail.reset_url)] {
        let sound = url.is_empty() || url.starts_with("https://") || url.starts_with("http://");
        report.ensure(sound, &format!("mail.{key}_url"), "an http(s) URL, or nothing for our own page");
    }
    report.ensure(mail.timeout > Dur::ZERO, "mail.timeout", "more than nothing");
    report.ensure(mail.parallel > 0, "mail.parallel", "at least one mail at a time");
    report.ensure(mail.poll > Dur::ZERO, "mail.poll", "more than nothing");
    report.ensure(mail.attempts > 0, "mail.attempts", "at least one attempt");
    report.ensure(mail.per_address > 0, "mail.per_address", "at least one mail");
    report.ensure(mail.per_network > 0, "mail.per_network", "at least one mail");
    report.ensure(mail.spool_most > 0, "mail.spool_most", "at least one mail");
    let links = &config.links;
    for (key, lifetime) in [("verify", links.verify), ("change", links.change), ("reset", links.reset)] {
        report.ensure(lifetime > Dur::ZERO, &format!("links.{key}"), "more than nothing");
    }
}
