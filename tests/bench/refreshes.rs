//! Refreshes of sessions per second and core of users-service, each on disk in PostgreSQL before its answer.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use serde_json::Value;
use shared::auth::AUDIENCE_USERS;
use tests::say;

use crate::Scale;
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::load::{self, Connection, Load, Outcome, Requests};
use crate::postgres::{Checkpoints, Postgres};
use crate::report::{Detail, Report, Row, Target, median};
use crate::sign_ins;
use crate::stack;

/// Sessions refreshed at once, one on each connection.
const CLIENTS: [usize; 4] = [1, 16, 64, 256];
/// What the row is about.
const MANY: usize = 64;

/// Each connection carries a session of its own on, with the token that it was answered last.
struct Refreshes {
    endpoint: Rc<Endpoint>,
    tokens: RefCell<Vec<String>>,
}

impl Requests for Refreshes {
    fn write(&self, connection: usize, buffer: &mut Vec<u8>) {
        let tokens = self.tokens.borrow();
        let token = tokens.get(connection).map_or("", String::as_str);
        let body = format!("grant_type=refresh_token&refresh_token={token}");
        self.endpoint.write("content-type: application/x-www-form-urlencoded\r\n", &body, buffer);
    }

    fn is_good(&self, status: u16) -> bool {
        status == 200
    }

    fn answered(&self, connection: usize, body: &[u8]) {
        if let (Some(held), Some(token)) = (self.tokens.borrow_mut().get_mut(connection), refresh_token(body)) {
            *held = token;
        }
    }
}

fn refresh_token(body: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    Some(answer.get("refresh_token")?.as_str()?.to_owned())
}

/// One number of clients' rounds.
#[derive(Debug, Default)]
struct Series {
    rates: Vec<f64>,
    per_core: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
}

/// Runs them and adds their row.
pub async fn measure(scale: Scale, folder: &Path, secret: &str, report: &mut Report) -> Result<(), Failure> {
    let postgres = Postgres::start(folder, Checkpoints::After).await?;
    let service = stack::users_on(&postgres.url, folder, secret).await?;
    drop(sign_ins::register(&service, secret).await?);
    let endpoint = Endpoint::new(secret, AUDIENCE_USERS, ("POST", "/api/v1/auth/token"), None)?;
    let most = CLIENTS.into_iter().max().unwrap_or_default();
    let tokens = sign_in(&service.address(), &endpoint, most).await?;
    let refreshes = Rc::new(Refreshes { endpoint, tokens: RefCell::new(tokens) });
    let mut series: Vec<(usize, Series)> = CLIENTS.into_iter().map(|clients| (clients, Series::default())).collect();
    for round in 0..scale.rounds {
        for (clients, series) in &mut series {
            let (processes, requests) = (service.processes()?, Rc::clone(&refreshes) as Rc<dyn Requests>);
            let before = processes.cpu_seconds();
            let outcome: Outcome = load::run(&service.address(), requests, Load::closed(*clients, scale.round)).await?;
            series.per_core.push(outcome.requests() / (processes.cpu_seconds() - before));
            series.rates.push(outcome.rate());
            series.p50.push(outcome.latency(0.5));
            series.p99.push(outcome.latency(0.99));
            if *clients == MANY {
                let (rate, per_core) = (series.rates[round], series.per_core[round]);
                say(format!("  round {}: {rate:.0} refreshes/s, {per_core:.0} per core-second", round + 1));
            }
        }
    }
    tell(series, report);
    Ok(())
}

fn tell(series: Vec<(usize, Series)>, report: &mut Report) {
    let mut rows = Vec::new();
    for (clients, Series { rates, per_core, p50, p99 }) in series {
        let (rate, per_core, p50, p99) = (median(rates), median(per_core), median(p50), median(p99));
        let figures = [rate, per_core, p50, p99].map(|figure| format!("{figure:.0}"));
        rows.push(std::iter::once(clients.to_string()).chain(figures).collect());
        if clients == MANY {
            report.rows.push(Row {
                what: "refreshes per second and core of users-service, each durable in PostgreSQL".to_owned(),
                ours: format!("{rate:.0}/s, {:.0} us of CPU each", 1e6 / per_core),
                peer: String::new(),
                value: Some(per_core),
                unit: "/s",
                target: Target::Least(2000.0),
            });
        }
    }
    let title = "Refreshes".to_owned();
    report.details.push(Detail {
        title,
        head: vec!["clients", "per second", "per core-second", "p50 us", "p99 us"],
        rows,
    });
}

/// So many sessions; their refresh tokens.
async fn sign_in(address: &str, endpoint: &Endpoint, sessions: usize) -> Result<Vec<String>, Failure> {
    let mut connection = Connection::open(address).await?;
    let mut tokens = Vec::with_capacity(sessions);
    for session in 0..sessions {
        let mut request = Vec::new();
        endpoint.write("content-type: application/x-www-form-urlencoded\r\n", &sign_ins::form(session), &mut request);
        let (status, body) = connection.exchange(&request).await?;
        let said = || Failure::said(format!("nobody signs in ({status})"));
        tokens.push(refresh_token(body).filter(|_| status == 200).ok_or_else(said)?);
    }
    Ok(tokens)
}
