//! What each mail says; the two templates say how it looks.

use std::time::Duration;

use askama::Template as _;

use super::prepare::Ready;
use super::template::Template;

/// A letter's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Letter {
    pub subject: String,
    greeting: String,
    before: Vec<String>,
    button: Option<Button>,
    after: Vec<String>,
    product: String,
}

/// Where a click leads. It only asks there: whatever follows links in mails by itself uses nothing up.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Button {
    label: &'static str,
    url: String,
}

#[derive(askama::Template)]
#[template(path = "letter.txt")]
struct Plain<'a> {
    letter: &'a Letter,
}

#[derive(askama::Template)]
#[template(path = "letter.html")]
struct Html<'a> {
    letter: &'a Letter,
}

impl Letter {
    /// The words of a mail from `product`; `url` is where its link leads, for as long as `lifetime`.
    pub(super) fn of(ready: &Ready, product: &str, url: Option<String>, lifetime: Duration) -> Self {
        let (subject, before, after) = words(ready.template, product, ready.about.as_deref(), &span(lifetime));
        Self {
            subject,
            greeting: ready.name.as_ref().map_or_else(|| "Hello,".to_owned(), |name| format!("Hello {name},")),
            before,
            button: label(ready.template).zip(url).map(|(label, url)| Button { label, url }),
            after,
            product: product.to_owned(),
        }
    }

    /// For readers without HTML.
    pub(super) fn plain(&self) -> Result<String, askama::Error> {
        Plain { letter: self }.render()
    }

    /// For all others. Whatever came from outside is escaped.
    pub(super) fn html(&self) -> Result<String, askama::Error> {
        Html { letter: self }.render()
    }
}

const fn label(template: Template) -> Option<&'static str> {
    match template {
        Template::VerifyEmail | Template::ConfirmEmail => Some("Confirm address"),
        Template::ResetPassword => Some("Choose a new password"),
        Template::EmailChangeAsked
        | Template::EmailChanged
        | Template::PasswordChanged
        | Template::FactorChanged
        | Template::AlreadyRegistered
        | Template::UsernameTaken => None,
    }
}

type Words = (String, Vec<String>, Vec<String>);

/// Subject, what stands before the link, and what after it.
fn words(template: Template, product: &str, about: Option<&str>, span: &str) -> Words {
    let about = about.unwrap_or("another address");
    let once = format!("The link is good once, for {span}.");
    let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    match template {
        Template::VerifyEmail => (
            format!("Confirm your e-mail address for {product}"),
            lines(&["Please confirm that this is your e-mail address."]),
            lines(&[&once, "If you did not register, somebody mistyped their address: you need not do anything."]),
        ),
        Template::ConfirmEmail => (
            format!("Confirm your new e-mail address for {product}"),
            lines(&[
                "Somebody asked to use this address for their account from now on. If that was you, please confirm it.",
            ]),
            lines(&[&once, "If it was not you, you need not do anything: nothing changes without it."]),
        ),
        Template::EmailChangeAsked => (
            format!("Your e-mail address at {product} is about to change"),
            vec![format!(
                "Somebody asked to move your account to {about}. Nothing changes until that address is confirmed."
            )],
            lines(&[
                "If that was not you, change your password now: it takes the request back and signs everybody else out.",
            ]),
        ),
        Template::EmailChanged => (
            format!("Your e-mail address at {product} has changed"),
            vec![format!("Your account uses {about} from now on, and no longer this address.")],
            lines(&["If that was not you, write to whoever runs this service at once."]),
        ),
        Template::ResetPassword => (
            format!("Choose a new password for {product}"),
            lines(&["Somebody asked for a new password for your account. If that was you, choose one now."]),
            lines(&[&once, "If it was not you, you need not do anything: your password stays as it is."]),
        ),
        Template::PasswordChanged => (
            format!("Your password at {product} has changed"),
            lines(&["The password of your account is another one since a moment ago."]),
            lines(&["If that was not you, ask for a new password at once: that signs everybody else out."]),
        ),
        Template::FactorChanged => (
            format!("How you sign in at {product} has changed"),
            vec![about.to_owned()],
            lines(&["If that was not you, change your password at once, and look at your second factors."]),
        ),
        Template::AlreadyRegistered => (
            format!("You have an account at {product} already"),
            lines(&["Somebody registered with this address, but it has an account already, so no other was made."]),
            lines(&[
                "If that was you, sign in, or ask for a new password if you have forgotten it. If not, you need not do anything.",
            ]),
        ),
        Template::UsernameTaken => (
            format!("Your registration at {product} was not completed"),
            lines(&[
                "Somebody registered with this address, but the user name is somebody else's, so no account was made.",
            ]),
            lines(&[
                "If that was you, please register again with another user name. If not, you need not do anything.",
            ]),
        ),
    }
}

/// A span as people say it; settings are whole minutes, hours or days.
fn span(lifetime: Duration) -> String {
    let minutes = lifetime.as_secs().div_ceil(60);
    let (count, unit) = match minutes {
        m if m >= 48 * 60 && m % (24 * 60) == 0 => (m / (24 * 60), "day"),
        m if m >= 60 && m % 60 == 0 => (m / 60, "hour"),
        m => (m, "minute"),
    };
    if count == 1 { format!("one {unit}") } else { format!("{count} {unit}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_like_words() {
        let table =
            [(1_800, "30 minutes"), (3_600, "one hour"), (86_400, "24 hours"), (172_800, "2 days"), (90, "2 minutes")];
        for (seconds, text) in table {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }
}
