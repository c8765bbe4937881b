//! A letter as an RFC 5322 message.

use lettre::Message;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use shared::clock::from_micros;
use shared::domain::MailId;

use super::letter::Letter;
use super::mailer::{Mailer, url};
use super::prepare::Ready;
use crate::app::App;

/// Why a mail cannot be written down. It would fail the next time as well.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unwritable {
    /// The address is one that the mail library does not take.
    #[error("the address: {0}")]
    Address(#[from] lettre::address::AddressError),
    /// The headers do not fit together.
    #[error("the message: {0}")]
    Message(#[from] lettre::error::Error),
    /// A template failed.
    #[error("the template: {0}")]
    Template(#[from] askama::Error),
}

/// The message of a mail. Its id and date are those of the row, so that one that is sent twice is seen to be the same.
pub(super) fn write(app: &App, ready: &Ready, id: MailId, created_at: i64) -> Result<Message, Unwritable> {
    let Mailer { from, .. } = &app.mailer;
    let link = ready.link.map(|(id, purpose)| (url(&app.config, &app.keys, id, purpose), app.config.links.of(purpose)));
    let (url, lifetime) = link.unzip();
    let letter = Letter::of(ready, app.mailer.product(), url, lifetime.unwrap_or_default());
    // Without a name beside it: an address alone holds nothing that could be taken for another header.
    let to = Mailbox::new(None, ready.to.mailbox().parse()?);
    let parts = MultiPart::alternative()
        .singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(letter.plain()?))
        .singlepart(SinglePart::builder().header(ContentType::TEXT_HTML).body(letter.html()?));
    let message = Message::builder()
        .message_id(Some(format!("<{id}@{}>", from.email.domain())))
        .date(from_micros(created_at).into())
        .from(from.clone())
        .to(to)
        .subject(letter.subject)
        // RFC 3834: no "out of office" comes back.
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
        .multipart(parts)?;
    Ok(message)
}
