//! The whole life of sessions: the service, through HTTP and a database, against a small model of what it promises.
//!
//! The model knows nothing of counters, transactions or batches. It remembers which tokens a session has handed out, and
//! when, and who may sign in with what.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reqwest::Method;
use serde_json::json;

use crate::sweeper;
use crate::testing::{Answer, Backend, PASSWORD, Person, Running, Setup};

/// Histories on each back-end, and the most that happens in one.
const HISTORIES: u32 = 24;
const LONGEST: usize = 32;
const USERS: usize = 2;

const DAY: u64 = 86_400;
const GRACE: u64 = 10;
const ACCESS: u64 = 300;
const IDLE: u64 = 14 * DAY;
const LIFETIME: u64 = 30 * DAY;
const RESTORABLE: u64 = 30 * DAY;

/// What can happen. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Happens {
    SignIn {
        user: usize,
        right: bool,
    },
    /// With the newest token, the one before, and so on; so many times at once.
    Refresh {
        session: usize,
        back: usize,
        times: usize,
    },
    GiveBack {
        session: usize,
        access: bool,
    },
    ChangePassword {
        session: usize,
    },
    Disable(usize),
    Enable(usize),
    Delete(usize),
    Restore(usize),
    Pass(u64),
    Sweep,
}

fn happens() -> impl Strategy<Value = Happens> {
    let user = 0..USERS;
    let session = 0..8_usize;
    let spans =
        prop::sample::select(vec![1, 9, GRACE, GRACE + 1, ACCESS - 1, ACCESS, 7 * DAY, IDLE - 1, IDLE, 20 * DAY]);
    prop_oneof![
        4 => (user.clone(), prop::bool::weighted(0.9)).prop_map(|(user, right)| Happens::SignIn { user, right }),
        8 => (session.clone(), prop::sample::select(vec![0, 0, 0, 1, 1, 2, 5]), prop::sample::select(vec![1, 1, 6]))
            .prop_map(|(session, back, times)| Happens::Refresh { session, back, times }),
        1 => (session.clone(), any::<bool>()).prop_map(|(session, access)| Happens::GiveBack { session, access }),
        1 => session.prop_map(|session| Happens::ChangePassword { session }),
        1 => user.clone().prop_map(Happens::Disable),
        1 => user.clone().prop_map(Happens::Enable),
        1 => user.clone().prop_map(Happens::Delete),
        2 => user.prop_map(Happens::Restore),
        5 => spans.prop_map(Happens::Pass),
        1 => Just(Happens::Sweep),
    ]
}

struct User {
    path: String,
    email: String,
    /// How often it was changed: the password tells.
    password: u32,
    disabled: bool,
    deleted_at: Option<u64>,
    purged: bool,
}

struct Session {
    user: usize,
    /// As they were signed in.
    person: Person,
    tokens: Vec<String>,
    access_token: (String, u64),
    opened_at: u64,
    refreshed_at: u64,
    over: bool,
}

struct World<'a> {
    service: &'a Running,
    now: u64,
    users: Vec<User>,
    sessions: Vec<Session>,
}

impl User {
    fn is_active(&self) -> bool {
        !self.disabled && self.deleted_at.is_none() && !self.purged
    }

    fn password(&self) -> String {
        format!("{PASSWORD} {}", self.password)
    }
}

impl Session {
    fn lives(&self, now: u64) -> bool {
        !self.over && now < self.opened_at + LIFETIME && now < self.refreshed_at + IDLE
    }
}

impl<'a> World<'a> {
    async fn new(service: &'a Running) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mut users = Vec::new();
        for _ in 0..USERS {
            let name = format!("user{}", NEXT.fetch_add(1, Ordering::Relaxed));
            let mut user = User {
                path: String::new(),
                email: format!("{name}@example.org"),
                password: 0,
                disabled: false,
                deleted_at: None,
                purged: false,
            };
            let body = json!({"email": user.email, "username": name, "password": user.password()});
            user.path = format!("/api/v1/users/{}", service.register(&body).await.expect(201).text("/id"));
            users.push(user);
        }
        Self { service, now: 0, users, sessions: Vec::new() }
    }

    fn end_all(&mut self, user: usize, but: Option<usize>) {
        let of_user =
            self.sessions.iter_mut().enumerate().filter(|(at, session)| session.user == user && Some(*at) != but);
        of_user.for_each(|(_, session)| session.over = true);
    }

    async fn take(&mut self, happens: &Happens) -> Result<(), TestCaseError> {
        let some = self.sessions.len().max(1);
        match *happens {
            Happens::SignIn { user, right } => self.sign_in(user, right).await,
            Happens::Refresh { session, .. }
            | Happens::GiveBack { session, .. }
            | Happens::ChangePassword { session }
                if session % some >= self.sessions.len() =>
            {
                Ok(())
            }
            Happens::Refresh { session, back, times } => self.refresh(session % some, back, times).await,
            Happens::GiveBack { session, access } => self.give_back(session % some, access).await,
            Happens::ChangePassword { session } => self.change_password(session % some).await,
            Happens::Disable(user) => self.disable(user).await,
            Happens::Enable(user) => self.enable(user).await,
            Happens::Delete(user) => self.delete(user).await,
            Happens::Restore(user) => self.restore(user).await,
            Happens::Pass(seconds) => {
                self.now += seconds;
                self.service.clock.advance(Duration::from_secs(seconds));
                Ok(())
            }
            Happens::Sweep => self.sweep().await,
        }
    }

    async fn sign_in(&mut self, user: usize, right: bool) -> Result<(), TestCaseError> {
        let of = &self.users[user];
        let password = if right { of.password() } else { format!("{PASSWORD} wrong") };
        let answer = self.service.password_grant(&of.email, &password).await;
        prop_assert_eq!(answer.status, if right && of.is_active() { 200 } else { 400 });
        if answer.status == 200 {
            self.sessions.push(Session {
                user,
                person: Person::of(&of.email, &answer),
                tokens: vec![answer.text("/refresh_token")],
                access_token: (answer.text("/access_token"), self.now),
                opened_at: self.now,
                refreshed_at: self.now,
                over: false,
            });
        }
        Ok(())
    }

    async fn refresh(&mut self, at: usize, back: usize, times: usize) -> Result<(), TestCaseError> {
        let (service, now) = (self.service, self.now);
        let session = &mut self.sessions[at];
        let Some(place) = session.tokens.len().checked_sub(1 + back) else { return Ok(()) };
        let token = session.tokens[place].clone();
        let answers = join_all((0..times).map(|_| service.refresh(&token))).await;
        let again = back == 1 && now <= session.refreshed_at + GRACE;
        let good = session.lives(now) && (back == 0 || again);
        for answer in &answers {
            prop_assert_eq!(answer.status, if good { 200 } else { 400 }, "{} back", back);
        }
        if good && back == 0 {
            session.tokens.push(answers[0].text("/refresh_token"));
            session.refreshed_at = now;
            let fresh = &session.tokens[..session.tokens.len() - 1];
            prop_assert!(!fresh.contains(&session.tokens[fresh.len()]), "never the same token twice");
        }
        if good {
            session.access_token = (answers[0].text("/access_token"), now);
            let all_the_same = |answer: &Answer| Some(&answer.text("/refresh_token")) == session.tokens.last();
            prop_assert!(answers.iter().all(all_the_same));
        }
        session.over |= !good;
        Ok(())
    }

    async fn give_back(&mut self, at: usize, access: bool) -> Result<(), TestCaseError> {
        let session = &mut self.sessions[at];
        let (access_token, issued_at) = &session.access_token;
        let token = if access { access_token } else { &session.tokens[0] };
        let call = self.service.call(Method::POST, "/api/v1/auth/revoke");
        prop_assert_eq!(call.form(&[("token", token)]).send().await.status, 200);
        session.over |= !access || self.now < issued_at + ACCESS;
        Ok(())
    }

    async fn change_password(&mut self, at: usize) -> Result<(), TestCaseError> {
        let session = &self.sessions[at];
        let user = &self.users[session.user];
        // The gateway lets nobody in with a token of a session that is over.
        if !session.lives(self.now) || !user.is_active() {
            return Ok(());
        }
        let (old, new) = (user.password(), format!("{PASSWORD} {}", user.password + 1));
        let body = json!({"current_password": old, "new_password": new});
        let call = self.service.call(Method::PUT, "/api/v1/users/me/password").by(&session.person).json(&body);
        prop_assert_eq!(call.send().await.status, 204);
        let user = session.user;
        self.users[user].password += 1;
        self.end_all(user, Some(at));
        Ok(())
    }

    /// What an administrator does to a user.
    async fn administer(&self, method: Method, user: usize, what: &str) -> u16 {
        let admin = self.service.administrator().await;
        self.service.call(method, &format!("{}{what}", self.users[user].path)).by(&admin).send().await.status
    }

    async fn disable(&mut self, at: usize) -> Result<(), TestCaseError> {
        let status = self.administer(Method::POST, at, "/disable").await;
        let user = &mut self.users[at];
        prop_assert_eq!(
            status,
            if user.purged {
                404
            } else if user.deleted_at.is_some() {
                409
            } else {
                200
            }
        );
        if status == 200 {
            user.disabled = true;
            self.end_all(at, None);
        }
        Ok(())
    }

    async fn enable(&mut self, at: usize) -> Result<(), TestCaseError> {
        let status = self.administer(Method::POST, at, "/enable").await;
        let user = &mut self.users[at];
        prop_assert_eq!(
            status,
            if user.purged {
                404
            } else if user.deleted_at.is_some() {
                409
            } else {
                200
            }
        );
        user.disabled &= status != 200;
        Ok(())
    }

    async fn delete(&mut self, at: usize) -> Result<(), TestCaseError> {
        let status = self.administer(Method::DELETE, at, "").await;
        let user = &mut self.users[at];
        prop_assert_eq!(status, if user.purged { 404 } else { 204 });
        if status == 204 {
            user.deleted_at.get_or_insert(self.now);
            self.end_all(at, None);
        }
        Ok(())
    }

    async fn restore(&mut self, at: usize) -> Result<(), TestCaseError> {
        let status = self.administer(Method::POST, at, "/restore").await;
        let user = &mut self.users[at];
        let in_time = user.deleted_at.is_some_and(|deleted_at| self.now < deleted_at + RESTORABLE);
        prop_assert_eq!(
            status,
            if user.purged {
                404
            } else if in_time {
                200
            } else {
                409
            }
        );
        if status == 200 {
            user.deleted_at = None;
        }
        Ok(())
    }

    async fn sweep(&mut self) -> Result<(), TestCaseError> {
        sweeper::sweep(&self.service.app).await.unwrap();
        for user in &mut self.users {
            user.purged |= user.deleted_at.is_some_and(|deleted_at| self.now > deleted_at + RESTORABLE);
        }
        Ok(())
    }
}

fn hold(backend: Backend) {
    let system = actix_web::rt::System::new();
    // Time is only moved by what happens.
    let setup = Setup::on(backend).set("keys.rotate_every", "0s").set("retention.sweep_every", "365d");
    let service = system.block_on(setup.start());
    let config = Config { cases: HISTORIES, failure_persistence: None, ..Config::default() };
    let held = TestRunner::new(config).run(&vec(happens(), 1..LONGEST), |history| {
        system.block_on(async {
            let mut world = World::new(&service).await;
            for happens in &history {
                world.take(happens).await?;
            }
            Ok(())
        })
    });
    system.block_on(service.stop());
    held.unwrap();
}

#[test]
fn sessions_model_on_sqlite() {
    hold(Backend::Sqlite);
}

#[test]
fn sessions_model_on_postgres() {
    hold(Backend::Postgres);
}
