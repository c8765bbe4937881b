//! Mail through the service, into a spool and to a mail server.

use std::fmt::Write;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::Method;
use serde_json::json;
use sqlx::{Connection, Executor};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::config::Config;
use crate::testing::{Backend, Mood, PASSWORD, Setup, SmtpServer, on_both};

on_both! {
    a_mail_waits_for_a_server_that_refuses,
    a_mailbox_that_is_none_is_given_up_at_once,
    what_fails_each_time_ends_as_dead,
    a_server_that_hangs_holds_up_nobody_but_its_mail,
    a_server_that_answers_late_gets_the_same_mail_again,
    what_was_committed_is_sent_by_the_next_process,
    of_two_processes_one_sends,
    a_server_that_does_not_say_goodbye_gets_a_mail_once,
    a_mistake_in_our_settings_gives_no_mail_up,
    names_and_addresses_stay_what_they_are,
    what_is_over_is_forgotten,
    a_spool_that_nobody_empties_fills_no_disk,
    a_newer_releases_mail_is_left_alone,
    mails_to_nobody_keep_no_other_waiting,
    no_log_names_a_mailbox,
    a_purge_takes_what_was_written_for_them,
}

fn through(backend: Backend, server: &SmtpServer) -> Setup {
    Setup::on(backend).set("mail.transport", "smtp").set("mail.smtp_url", &server.url)
}

async fn register(service: &crate::testing::Running, name: &str) {
    let body = json!({"email": format!("{name}@example.org"), "username": name, "password": PASSWORD});
    service.register(&body).await.expect(201);
}

async fn a_mail_waits_for_a_server_that_refuses(backend: Backend) {
    let server = SmtpServer::start(Mood::Refuses("451 try later")).await;
    let service = through(backend, &server).start().await;
    register(&service, "adalovelace").await;
    let held = "SELECT count(*) FROM mails WHERE status = 'waiting' AND attempts = 1 AND last_error LIKE '%try later%'";
    service.until_count(held, 1).await;
    server.turns(Mood::Takes);
    service.clock.advance(Duration::from_secs(9));
    assert!(server.taken().is_empty(), "not before its time");
    service.clock.advance(Duration::from_secs(1));
    service.until_mails("sent", 1).await;
    let taken = server.taken();
    assert_eq!((taken.len(), taken[0].to.as_str()), (1, "adalovelace@example.org"));
    service.until_counted("sent", 1).await;
    service.until_counted("failed", 1).await;
    service.stop().await;
}

async fn a_mailbox_that_is_none_is_given_up_at_once(backend: Backend) {
    let server = SmtpServer::start(Mood::Refuses("550 no such user")).await;
    let service = through(backend, &server).start().await;
    register(&service, "adalovelace").await;
    service.until_mails("dead", 1).await;
    service.until_counted("dead", 1).await;
    service.stop().await;
}

async fn what_fails_each_time_ends_as_dead(backend: Backend) {
    let server = SmtpServer::start(Mood::Refuses("554 go away")).await;
    let service = through(backend, &server).set("mail.attempts", "3").start().await;
    register(&service, "adalovelace").await;
    for (attempts, pause) in [(1, 10), (2, 30)] {
        service.until_counted("failed", attempts).await;
        service.clock.advance(Duration::from_secs(pause));
    }
    service.until_mails("dead", 1).await;
    let kept = "SELECT count(*) FROM mails WHERE attempts = 3 AND last_error LIKE '%go away%'";
    assert_eq!(service.ground.count(kept).await, 1);
    service.stop().await;
}

async fn a_server_that_hangs_holds_up_nobody_but_its_mail(backend: Backend) {
    let server = SmtpServer::start(Mood::Hangs).await;
    let service = through(backend, &server).set("mail.timeout", "300ms").start().await;
    // More than are sent at once.
    for i in 0..6 {
        register(&service, &format!("person{i}")).await;
    }
    service.sign_in("person5@example.org").await;
    let tried = "SELECT count(*) FROM mails WHERE status = 'waiting' AND last_error LIKE '%in time%'";
    service.until_count(tried, 6).await;
    server.turns(Mood::Takes);
    service.clock.advance(Duration::from_secs(10));
    service.until_mails("sent", 6).await;
    assert_eq!(server.taken().len(), 6);
    service.stop().await;
}

async fn a_server_that_answers_late_gets_the_same_mail_again(backend: Backend) {
    let server = SmtpServer::start(Mood::Late).await;
    let service = through(backend, &server).set("mail.timeout", "300ms").start().await;
    register(&service, "adalovelace").await;
    service.until_count("SELECT count(*) FROM mails WHERE last_error IS NOT NULL", 1).await;
    server.turns(Mood::Takes);
    service.clock.advance(Duration::from_secs(10));
    service.until_mails("sent", 1).await;
    let id = |head: &str| head.lines().find(|line| line.starts_with("Message-ID:")).unwrap().to_owned();
    let taken = server.taken();
    assert_eq!(taken.len(), 2, "at least once");
    assert_eq!(id(&taken[0].head), id(&taken[1].head), "and known to be the same");
    assert_eq!(taken[0].token(), taken[1].token());
    service.stop().await;
}

async fn a_server_that_does_not_say_goodbye_gets_a_mail_once(backend: Backend) {
    let server = SmtpServer::start(Mood::Lingers).await;
    let service = through(backend, &server).set("mail.timeout", "5s").start().await;
    register(&service, "adalovelace").await;
    service.until_counted("sent", 1).await;
    assert_eq!(service.ground.count("SELECT count(*) FROM mails WHERE status = 'sent' AND attempts = 1").await, 1);
    assert_eq!(server.taken().len(), 1);
    service.stop().await;
}

async fn a_mistake_in_our_settings_gives_no_mail_up(backend: Backend) {
    let server = SmtpServer::start(Mood::RefusesSender("550 5.1.1 who are you?")).await;
    let service = through(backend, &server).start().await;
    register(&service, "adalovelace").await;
    service.until_counted("failed", 1).await;
    // Most servers say so only when they hear of the recipient.
    server.turns(Mood::Refuses("553 5.7.1 <no-reply@tollgate.local>: Sender address rejected: not owned by user"));
    service.clock.advance(Duration::from_secs(10));
    service.until_counted("failed", 2).await;
    // Somebody mends it.
    server.turns(Mood::Takes);
    service.clock.advance(Duration::from_secs(30));
    service.until_mails("sent", 1).await;
    service.stop().await;
}

async fn what_was_committed_is_sent_by_the_next_process(backend: Backend) {
    let nowhere = tempfile::NamedTempFile::new().unwrap();
    let setup = Setup::on(backend).set("mail.spool", &nowhere.path().join("mail").display().to_string());
    let service = setup.start().await;
    register(&service, "adalovelace").await;
    service.until_count("SELECT count(*) FROM mails WHERE last_error LIKE 'mail.spool%'", 1).await;
    let clock = service.clock.clone();
    let ground = service.halt().await;
    // As whoever dies between taking a mail and saying what came of it leaves it: taken, and not yet given back.
    ground.run("UPDATE mails SET last_error = NULL").await;
    let service = Setup::on(backend).at(clock).start_on(ground).await;
    assert!(service.mails("adalovelace@example.org", "Confirm").is_empty());
    service.clock.advance(Duration::from_secs(91));
    service.mail("adalovelace@example.org", "Confirm").await;
    service.until_mails("sent", 1).await;
    service.stop().await;
}

async fn of_two_processes_one_sends(backend: Backend) {
    let server = SmtpServer::start(Mood::Takes).await;
    let one = through(backend, &server).start().await;
    let two = through(backend, &server).at(one.clock.clone()).start_on(one.ground.shared()).await;
    for i in 0..12 {
        register(if i % 2 == 0 { &one } else { &two }, &format!("person{i}")).await;
    }
    one.until_mails("sent", 12).await;
    let mut to: Vec<String> = server.taken().into_iter().map(|mail| mail.to).collect();
    to.sort();
    to.dedup();
    assert_eq!((to.len(), server.taken().len()), (12, 12), "each once");
    two.halt().await;
    one.stop().await;
}

async fn names_and_addresses_stay_what_they_are(backend: Backend) {
    let from = "Mörser & Söhne <no-reply@bücher.example>";
    let service = Setup::on(backend).set("mail.from", from).start().await;
    for (email, username, to) in [
        ("дмитрий@пример.рф", "dmitri", "дмитрий@xn--e1afmkfd.xn--p1ai"),
        ("o'brien+x@example.org", "obrien", "o'brien+x@example.org"),
    ] {
        let name = "<b>Ada</b> Bcc: eve@example.com";
        let body = json!({"email": email, "username": username, "password": PASSWORD, "name": name});
        service.register(&body).await.expect(201);
        let mail = service.mail(to, "Confirm your e-mail").await;
        // The link's token and the parts' boundary are drawn: any three letters may be in them.
        let written = mail.text.replace(&mail.token(), "");
        assert!(!written.contains("Ada"), "who has not shown the address to be theirs writes nothing to it: {written}");
        let is = |line: &str, name: &str| line.get(..name.len()).is_some_and(|of| of.eq_ignore_ascii_case(name));
        let headers = |name: &str| mail.head.lines().filter(|line| is(line, name)).count();
        assert_eq!((headers("To:"), headers("Cc:"), headers("Bcc:")), (1, 0, 0), "{}", mail.head);
        assert!(mail.subject.ends_with("Mörser & Söhne"), "{}", mail.subject);
        for header in [
            "Message-ID: <",
            "Date: Sun, 01 Mar 2026 12:00:00 +0000",
            "MIME-Version: 1.0",
            "Auto-Submitted: auto-generated",
        ] {
            assert!(mail.head.contains(header), "{header}: {}", mail.head);
        }
        let verify = service.call(Method::POST, "/api/v1/auth/email/verify").json(&json!({"token": mail.token()}));
        verify.send().await.expect(204);
        let change = json!({"current_password": PASSWORD, "new_password": "another horse battery 8 staple"});
        let person = service.sign_in(email).await;
        service.call(Method::PUT, "/api/v1/users/me/password").by(&person).json(&change).send().await.expect(204);
        let mail = service.mail(to, "Your password").await;
        assert!(mail.text.starts_with(&format!("Hello {name},")), "{}", mail.text);
        assert!(mail.html.contains("&#60;b&#62;Ada") && !mail.html.contains("<b>"), "{}", mail.html);
    }
    for name in ["Ada\r\nBcc: eve@example.com", "Ada\nEve", "Ada\u{0}"] {
        let body = json!({"email": "eve@example.org", "username": "eve", "password": PASSWORD, "name": name});
        assert!([400, 422].contains(&service.register(&body).await.status), "{name:?}");
    }
    service.stop().await;
}

async fn what_is_over_is_forgotten(backend: Backend) {
    let service = Setup::on(backend).start().await;
    register(&service, "adalovelace").await;
    service.until_mails("sent", 1).await;
    // More than go at once.
    let id = if backend == Backend::Postgres { "gen_random_uuid()" } else { "randomblob(16)" };
    let many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1100)";
    let rows = format!("SELECT {id}, 'verify_email', 'sent', 0, 0, 0 FROM n");
    let into = "INSERT INTO mails (id, template, status, due_at, created_at, ended_at)";
    let sql =
        if backend == Backend::Postgres { format!("{into} {many} {rows}") } else { format!("{many} {into} {rows}") };
    service.ground.run(&sql).await;
    let clock = service.clock.clone();
    clock.advance(Duration::from_secs(30 * 86_400 + 1));
    let service = Setup::on(backend).at(clock).start_on(service.halt().await).await;
    service.until_count("SELECT count(*) FROM mails", 0).await;
    service.until_count("SELECT count(*) FROM links", 0).await;
    service.stop().await;
}

/// On SQLite there is one writer.
#[actix_web::test]
async fn a_sweep_waits_for_nobody_who_holds_what_it_would_take() {
    let service = Setup::on(Backend::Postgres).start().await;
    let (ada, bob) = (service.person("adalovelace").await, service.person("bobby").await);
    service.until_mails("sent", 2).await;
    let mut other = sqlx::PgConnection::connect(&service.ground.url).await.unwrap();
    // As a password change does: sessions, then links.
    let held = format!("user_id = '{}' FOR UPDATE", ada.id);
    let lock = format!("BEGIN; SELECT FROM sessions WHERE {held}; SELECT FROM links WHERE {held}");
    other.execute(sqlx::AssertSqlSafe(lock)).await.unwrap();
    let clock = service.clock.clone();
    clock.advance(Duration::from_secs(31 * 86_400));
    let service = Setup::on(Backend::Postgres).at(clock).start_on(service.halt().await).await;
    for table in ["sessions", "links"] {
        let of = |id| format!("SELECT count(*) FROM {table} WHERE user_id = '{id}'");
        service.until_count(&of(bob.id), 0).await;
        assert_eq!(service.ground.count(&of(ada.id)).await, 1, "{table}");
    }
    other.execute("COMMIT").await.unwrap();
    service.stop().await;
}

async fn a_spool_that_nobody_empties_fills_no_disk(backend: Backend) {
    let setup = Setup::on(backend).set("mail.spool_most", "2").set("mail.parallel", "1");
    let service = setup.start().await;
    for name in ["adalovelace", "bobby", "carol"] {
        register(&service, name).await;
        service.until_count("SELECT count(*) FROM mails WHERE attempts = 0", 0).await;
    }
    service.until_count("SELECT count(*) FROM mails WHERE status = 'waiting' AND last_error LIKE '%2 mails%'", 1).await;
    assert_eq!(std::fs::read_dir(service.ground.spool()).unwrap().count(), 2);
    // Once somebody has picked them up, the rest follows.
    std::fs::remove_dir_all(service.ground.spool()).unwrap();
    service.clock.advance(Duration::from_secs(10));
    service.mail("carol@example.org", "Confirm").await;
    service.stop().await;
}

async fn a_newer_releases_mail_is_left_alone(backend: Backend) {
    let service = Setup::on(backend).start().await;
    register(&service, "adalovelace").await;
    service.until_mails("sent", 1).await;
    let newer = "template = 'of_tomorrow', status = 'waiting', ended_at = NULL, due_at = 0, attempts = 0";
    service.ground.run(&format!("UPDATE mails SET {newer}")).await;
    // It would be the first to be taken.
    for name in ["bobby", "carol"] {
        register(&service, name).await;
        service.mail(&format!("{name}@example.org"), "Confirm").await;
    }
    service.until_mails("sent", 2).await;
    assert_eq!(service.ground.count("SELECT count(*) FROM mails WHERE status = 'waiting' AND attempts = 0").await, 1);
    service.stop().await;
}

async fn mails_to_nobody_keep_no_other_waiting(backend: Backend) {
    // Long enough that whoever waits for it is found out.
    let service = Setup::on(backend).set("mail.poll", "1h").start().await;
    let nobody = json!({"email": "nobody@example.org"});
    let forgot = || service.call(Method::POST, "/api/v1/auth/password/forgot").json(&nobody).send();
    for _ in 0..20 {
        forgot().await.expect(202);
    }
    service.until_counted("dropped", 20).await;
    forgot().await.expect(202);
    service.until_counted("dropped", 21).await;
    assert_eq!(service.ground.count("SELECT count(*) FROM mails").await, 0, "and nothing is kept of them");
    service.stop().await;
}

/// What the service has said. One test's alone: each runs in a process of its own.
static SAID: Mutex<String> = Mutex::new(String::new());

struct Log;

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        struct Fields;
        impl Visit for Fields {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                writeln!(SAID.lock(), "{field}={value:?}").unwrap();
            }
        }
        event.record(&mut Fields);
    }
}

async fn no_log_names_a_mailbox(backend: Backend) {
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Log)).unwrap();
    let server = SmtpServer::start(Mood::Refuses("451 4.2.1 <adalovelace@example.org>: busy")).await;
    let service = through(backend, &server).start().await;
    register(&service, "adalovelace").await;
    service.until_count("SELECT count(*) FROM mails WHERE last_error LIKE '%lovelace@example.org%'", 1).await;
    server.turns(Mood::Refuses("550 5.1.1 <adalovelace@example.org>: who?"));
    service.clock.advance(Duration::from_secs(10));
    service.until_mails("dead", 1).await;
    service.stop().await;
    let said = SAID.lock().clone();
    assert!(said.contains("answered 451") && said.contains("answered 550"), "the kind is told");
    assert!(!said.contains("adalovelace@"), "{}", said.lines().find(|line| line.contains("adalovelace@")).unwrap());
}

async fn a_purge_takes_what_was_written_for_them(backend: Backend) {
    let setup = || Setup::on(backend).set("retention.mails", "365d").set("links.verify", "365d");
    let service = setup().start().await;
    let ada = service.person("adalovelace").await;
    service.until_mails("sent", 1).await;
    service.call(Method::DELETE, "/api/v1/users/me").by(&ada).send().await.expect(204);
    let clock = service.clock.clone();
    clock.advance(Duration::from_secs(31 * 86_400));
    let service = setup().at(clock).start_on(service.halt().await).await;
    for table in ["mails", "links"] {
        service.until_count(&format!("SELECT count(*) FROM {table}"), 0).await;
    }
    service.stop().await;
}

#[test]
fn settings_that_would_send_nothing_are_found_before_a_start() {
    let faults = |more: &[(&str, &str)]| {
        let sound = [("IDENTITY__SECRET", "a secret of the tests, long enough")];
        let env = sound.iter().chain(more).map(|(key, value)| (format!("TOLLGATE_USERS__{key}"), (*value).to_owned()));
        Config::load(None, &env.collect::<Vec<_>>()).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let smtp = |url: &str| faults(&[("MAIL__TRANSPORT", "smtp"), ("MAIL__SMTP_URL", url)]);
    for url in
        ["smtps://user:pass@mail.example", "smtp://user:pass@mail.example:587?tls=required", "smtp://localhost:25"]
    {
        assert_eq!(smtp(url), "", "{url}");
    }
    for url in ["", "mail.example", "http://mail.example", "smtp://user:secret1@mail.example"] {
        let told = smtp(url);
        assert!(told.contains("mail.smtp_url") && !told.contains("secret1"), "{url}: {told}");
    }
    for (key, value, name) in [
        ("MAIL__FROM", "nobody", "mail.from"),
        ("MAIL__FROM", "Tollgate <a@b.example>\r\nBcc: eve@example.com", "mail.from"),
        ("MAIL__RESET_URL", "javascript:alert(1)", "mail.reset_url"),
        ("MAIL__PARALLEL", "0", "mail.parallel"),
        ("LINKS__VERIFY", "0s", "links.verify"),
        ("LINKS__CHANGE", "0s", "links.change"),
        ("LINKS__RESET", "0s", "links.reset"),
    ] {
        assert!(faults(&[(key, value)]).contains(name), "{key} {value:?}");
    }
}
