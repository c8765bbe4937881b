//! Keys that were used long ago: what it costs to be asked them again, against reading the transfer.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use serde_json::Value;
use shared::auth::AUDIENCE_ACCOUNTS;

use super::ledger::{Single, order_of, owner, post_under};
use super::{Ground, Spread};
use crate::Scale;
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::load::{self, Load, Requests};
use crate::report::{Report, Row, Target, median};

/// Transfers whose keys are kept.
const KEPT: u64 = 4_000;
const CLIENTS: usize = 64;
/// Repetitions a second beside which others post.
const STORM: f64 = 1_000.0;

/// Transfers of the first minute, each with its key.
pub struct Known {
    endpoint: Rc<Endpoint>,
    next: Cell<u64>,
    ids: RefCell<Vec<String>>,
}

/// Asks their keys again.
struct Again(Rc<Known>);

/// Reads them.
struct Read {
    known: Rc<Known>,
    /// An assertion is for one path: each of these is asked for again and again.
    endpoints: Vec<Rc<Endpoint>>,
}

impl Known {
    /// Posts them; the keys are far back when everything else has run.
    pub async fn post(ground: &Ground<'_>) -> Result<(Rc<Self>, u64), Failure> {
        let endpoint = Rc::clone(&ground.single);
        let known = Rc::new(Self { endpoint, next: Cell::new(0), ids: RefCell::default() });
        let mut connection = load::Connection::open(&ground.service.address()).await?;
        for _ in 0..KEPT {
            let mut request = Vec::new();
            known.write(0, &mut request);
            let (status, body) = connection.exchange(&request).await?;
            if status != 201 {
                return Err(Failure::said(format!("answered {status}: {}", String::from_utf8_lossy(body))));
            }
            known.answered(0, body);
        }
        Ok((known, KEPT))
    }
}

impl Requests for Known {
    fn write(&self, _connection: usize, buffer: &mut Vec<u8>) {
        let number = self.next.replace((self.next.get() + 1) % KEPT);
        post_under(&self.endpoint, &format!("known-{number}"), &order_of(number), buffer);
    }

    fn is_good(&self, status: u16) -> bool {
        status == 201
    }

    fn answered(&self, _connection: usize, body: &[u8]) {
        let answer: Option<Value> = serde_json::from_slice(body).ok();
        let id = answer.as_ref().and_then(|answer| answer.get("id")).and_then(Value::as_str);
        self.ids.borrow_mut().extend(id.map(str::to_owned));
    }
}

impl Requests for Again {
    fn write(&self, connection: usize, buffer: &mut Vec<u8>) {
        self.0.write(connection, buffer);
    }

    fn is_good(&self, status: u16) -> bool {
        status == 201
    }
}

impl Requests for Read {
    fn write(&self, _connection: usize, buffer: &mut Vec<u8>) {
        let number = self.known.next.replace((self.known.next.get() + 1) % KEPT);
        let count = self.endpoints.len().max(1);
        if let Some(endpoint) = self.endpoints.get(number as usize % count) {
            endpoint.write("", "", buffer);
        }
    }

    fn is_good(&self, status: u16) -> bool {
        status == 200
    }
}

/// The rows on repetitions; how many transfers were posted for them.
pub async fn compare(ground: &Ground<'_>, known: Rc<Known>, scale: Scale, report: &mut Report) -> Result<u64, Failure> {
    let ids = known.ids.borrow().iter().step_by(8).cloned().collect::<Vec<_>>();
    let endpoint = |id: &String| {
        Endpoint::new(ground.secret, AUDIENCE_ACCOUNTS, ("GET", &format!("/api/v1/transfers/{id}")), Some(owner()))
    };
    let endpoints = ids.iter().map(endpoint).collect::<Result<Vec<_>, _>>()?;
    let again: Rc<dyn Requests> = Rc::new(Again(Rc::clone(&known)));
    let read: Rc<dyn Requests> = Rc::new(Read { known, endpoints });
    let single: Rc<dyn Requests> = Rc::new(Single { endpoint: Rc::clone(&ground.single), spread: Spread::Uniform });
    let (mut repeated, mut fetched, mut alone, mut beside) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut posted = 0;
    for _ in 0..scale.rounds.min(3) {
        repeated.push(ground.cpu_micros(&again, CLIENTS, scale).await?);
        fetched.push(ground.cpu_micros(&read, CLIENTS, scale).await?);
        let address = ground.service.address();
        let load = Load::closed(CLIENTS, scale.round);
        let quiet = load::run(&address, Rc::clone(&single), load).await?;
        let storm = Load { connections: 16, time: scale.round, rate: Some(STORM) };
        let (stormy, storm) =
            tokio::join!(load::run(&address, Rc::clone(&single), load), load::run(&address, Rc::clone(&again), storm));
        let stormy = stormy?;
        storm?;
        alone.push(quiet.rate());
        beside.push(stormy.rate());
        posted += quiet.units + stormy.units;
    }
    let (repeated, fetched, alone, beside) = (median(repeated), median(fetched), median(alone), median(beside));
    report.rows.push(Row {
        what: "repeating a key, CPU of service and database, against reading the transfer".to_owned(),
        ours: format!("{repeated:.0} us"),
        peer: format!("{fetched:.0} us"),
        value: Some(repeated / fetched),
        unit: "x",
        target: Target::Most(1.0),
    });
    report.rows.push(Row {
        what: format!("single transfers beside {STORM:.0} repetitions a second, against without"),
        ours: format!("{beside:.0}/s"),
        peer: format!("{alone:.0}/s"),
        value: Some(beside / alone),
        unit: "x",
        target: Target::Least(0.8),
    });
    Ok(posted)
}
