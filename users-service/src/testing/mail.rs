//! What lies in the spool, read by somebody else's parser.

use std::path::PathBuf;

use mailparse::{MailHeaderMap, ParsedMail, parse_mail};

use super::service::{Ground, Running};

/// A message.
#[derive(Clone, Debug)]
pub struct Mail {
    pub to: String,
    pub subject: String,
    /// The header section as it stands.
    pub head: String,
    pub text: String,
    pub html: String,
}

impl Mail {
    /// From its bytes.
    pub fn read(bytes: &[u8]) -> Self {
        let mail = parse_mail(bytes).unwrap();
        let header = |name: &str| mail.headers.get_first_value(name).unwrap_or_default();
        let part = |kind: &str| {
            let of_kind = |part: &&ParsedMail<'_>| part.ctype.mimetype == kind;
            mail.subparts.iter().find(of_kind).map_or_else(String::new, |part| part.get_body().unwrap())
        };
        let all = String::from_utf8_lossy(bytes).into_owned();
        let head = all.split_once("\r\n\r\n").unwrap().0.to_owned();
        Self { to: header("To"), subject: header("Subject"), head, text: part("text/plain"), html: part("text/html") }
    }

    /// The address that its link has.
    #[track_caller]
    pub fn link(&self) -> String {
        let line = self.text.lines().find(|line| line.contains("token=")).unwrap();
        line.trim().to_owned()
    }

    /// The token of its link.
    #[track_caller]
    pub fn token(&self) -> String {
        self.link().rsplit_once("token=").unwrap().1.to_owned()
    }
}

impl Ground {
    /// Where mail goes.
    pub fn spool(&self) -> PathBuf {
        self.folder.path().join("mail")
    }
}

impl Running {
    /// Everything sent to an address so far, with this in its subject.
    pub fn mails(&self, to: &str, subject: &str) -> Vec<Mail> {
        let Ok(files) = std::fs::read_dir(self.ground.spool()) else { return Vec::new() };
        let whole = files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "eml"));
        let mut mails: Vec<Mail> = whole.map(|path| Mail::read(&std::fs::read(path).unwrap())).collect();
        mails.retain(|mail| mail.to == to && mail.subject.contains(subject));
        mails
    }

    /// The mail to this address with this in its subject, once it is there.
    pub async fn mail(&self, to: &str, subject: &str) -> Mail {
        super::until(|| !self.mails(to, subject).is_empty()).await;
        self.mails(to, subject).pop().unwrap()
    }

    /// The mail like these that is not among them, once it is there. Files have no order.
    pub async fn another_mail(&self, to: &str, subject: &str, before: &[Mail]) -> Mail {
        let new = |mail: &Mail| before.iter().all(|old| old.head != mail.head);
        super::until(|| self.mails(to, subject).iter().any(new)).await;
        self.mails(to, subject).into_iter().find(new).unwrap()
    }

    /// How many mails have a status, asked of the database.
    pub async fn mails_that_are(&self, status: &str) -> usize {
        let count = format!("SELECT count(*) FROM mails WHERE status = '{status}'");
        usize::try_from(self.ground.count(&count).await).unwrap()
    }

    /// Waits until so many mails have a status.
    pub async fn until_mails(&self, status: &str, count: i64) {
        self.until_count(&format!("SELECT count(*) FROM mails WHERE status = '{status}'"), count).await;
    }

    /// Waits until the service has counted so many mails of which this came.
    pub async fn until_counted(&self, outcome: &str, count: usize) {
        let line = format!("tollgate_users_mails_total{{outcome=\"{outcome}\"}} {count}\n");
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(10));
        let mut scrape = String::new();
        for _ in 0..1_000 {
            let answer = self.call(reqwest::Method::GET, "/metrics").send().await.expect(200);
            scrape = String::from_utf8(answer.bytes).unwrap();
            if scrape.contains(&line) {
                return;
            }
            ticks.tick().await;
        }
        panic!("not {line}: {scrape}");
    }

    /// Waits until a statement counts so many, at most ten seconds.
    pub async fn until_count(&self, sql: &str, count: i64) {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(10));
        for _ in 0..1_000 {
            if self.ground.count(sql).await == count {
                return;
            }
            ticks.tick().await;
        }
        assert_eq!(self.ground.count(sql).await, count, "{sql}");
    }
}

impl Ground {
    /// Runs a statement past the service.
    pub async fn run(&self, sql: &str) {
        use sqlx::{Connection, Executor};
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        if self.url.starts_with("sqlite") {
            sqlx::SqliteConnection::connect(&self.url).await.unwrap().execute(sql).await.unwrap();
        } else {
            sqlx::PgConnection::connect(&self.url).await.unwrap().execute(sql).await.unwrap();
        }
    }

    /// What a statement counts.
    pub async fn count(&self, sql: &str) -> i64 {
        use sqlx::{Connection, Row};
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        if self.url.starts_with("sqlite") {
            let mut connection = sqlx::SqliteConnection::connect(&self.url).await.unwrap();
            return sqlx::query(sql).fetch_one(&mut connection).await.unwrap().get(0);
        }
        let mut connection = sqlx::PgConnection::connect(&self.url).await.unwrap();
        sqlx::query(sql).fetch_one(&mut connection).await.unwrap().get(0)
    }
}
