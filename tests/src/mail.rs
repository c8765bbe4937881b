//! Reading the mail that a stack has sent into its spool.

use std::fs;
use std::path::Path;
use std::time::Duration;

use mailparse::{MailHeaderMap, parse_mail};

use crate::stack::Stack;
use crate::wait::wait_until;

/// How long a mail may take from its cause to the spool.
const LIMIT: Duration = Duration::from_secs(20);

/// A message.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The recipient's address.
    pub to: String,
    /// What it is about.
    pub subject: String,
    /// The part without HTML.
    pub text: String,
}

impl Mail {
    fn read(file: &Path) -> Option<Self> {
        let bytes = fs::read(file).ok()?;
        let mail = parse_mail(&bytes).expect("what is in the spool is a message");
        let header = |name: &str| mail.headers.get_first_value(name).unwrap_or_default();
        let text = mail.subparts.first().map_or_else(String::new, |part| part.get_body().unwrap_or_default());
        Some(Self { to: header("To"), subject: header("Subject"), text })
    }

    /// The token of its link.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn token(&self) -> String {
        let (_, token) = self.text.split_once("token=").expect("a link");
        token.split_whitespace().next().unwrap_or_default().to_owned()
    }
}

impl Stack {
    /// The mails to an address so far whose subject has these words in it.
    #[must_use]
    pub fn mails(&self, to: &str, subject: &str) -> Vec<Mail> {
        let Ok(files) = fs::read_dir(self.spool()) else { return Vec::new() };
        let whole =
            files.flatten().map(|file| file.path()).filter(|path| path.extension().is_some_and(|of| of == "eml"));
        let mails = whole.filter_map(|path| Mail::read(&path));
        mails.filter(|mail| mail.to == to && mail.subject.contains(subject)).collect()
    }

    /// The mail to an address whose subject has these words in it, once it is there.
    pub async fn mail(&self, to: &str, subject: &str) -> Mail {
        let what = format!("a mail to {to} about {subject}");
        wait_until(&what, LIMIT, async || self.mails(to, subject).pop()).await
    }
}
