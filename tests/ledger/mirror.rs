//! A ledger in memory that answers as the model does, to any number of clients at once: what the checker must believe.

mod scene;

use std::collections::HashMap;

use tests::ledger::command::{Caller, Command, Exchange, Mode, NewRate, Order, Request};
use tests::ledger::generator::{Random, Stage};
use tests::ledger::history::{Answer, Event, Ids, What};
use tests::ledger::model::{Decimal, Kind, Rate, Reading, Transfer, is_frozen, shape, target};
use tests::ledger::record::{Committed, Entry, Exchanged, Made, Row, SetRate, Stored};
use tests::ledger::{Features, Generator, History, Ledger, Record, Report, Verdict, check};

pub use self::scene::{fund, stage};

use self::scene::accounts;

/// Everything that happened, and the ledger that it happened to.
pub struct Mirror {
    pub opening: Record,
    pub record: Record,
    pub history: History,
    /// Keys that nobody can have taken.
    pub stray_keys: i64,
    ledger: Ledger,
    keys: HashMap<(Caller, &'static str, String), (Request, Answer)>,
    ticks: u64,
    attempts: u64,
    transfers: u64,
}

/// What a client is doing.
enum Client {
    Idle,
    /// Its request is on the way.
    Asked(u64, Request),
    /// Its answer is.
    Answered(u64, Request, Answer, bool),
}

const BEGAN: i64 = 1_800_000_000_000_000;

impl Mirror {
    /// With the accounts of `stage`.
    pub fn new(stage: &Stage) -> Self {
        let (mut ledger, mut opening) = (Ledger::default(), Record::default());
        for (id, account) in accounts(stage) {
            ledger.open(&id, account.clone());
            opening.accounts.insert(id, Stored { account, held: 0, next_expiry: Some(BEGAN) });
        }
        let history = History { began: BEGAN, mediated: false, events: Vec::new() };
        let (keys, record) = (HashMap::new(), Record::default());
        Self { opening, record, history, stray_keys: 0, ledger, keys, ticks: 0, attempts: 0, transfers: 0 }
    }

    /// What the checker says of it.
    pub fn judged(&mut self) -> Report {
        let moving = self.keys.values().filter(|(first, _)| first.moves_money());
        self.record.keys = i64::try_from(moving.count()).expect("not so many") + self.stray_keys;
        self.record.accounts = self.opening.accounts.clone();
        for (id, stored) in &mut self.record.accounts {
            if let Some(account) = self.ledger.account(id) {
                stored.account = account.clone();
            }
            let held: i128 = self.ledger.open_holds(id).map(|(number, _)| self.ledger.left(number)).sum();
            stored.held = i64::try_from(held).expect("a sum of amounts");
        }
        check(&self.opening, &self.history, &self.record)
    }

    /// One client asks and waits for its answer.
    pub fn ask(&mut self, request: &Request) -> Answer {
        let attempt = self.invoke(request);
        let (answer, replayed) = self.commit(request);
        self.tell(attempt, &answer, replayed);
        answer
    }

    /// Several clients at once, for so many steps; now and then nobody hears the end.
    pub fn busy(&mut self, seed: u64, stage: &Stage, features: Features, steps: usize) {
        let mut random = Random::new(seed);
        let name = |number: usize| format!("c{number}");
        let mut clients: Vec<_> = (0..8)
            .map(|number| (Generator::new(random.next(), &name(number), stage.clone(), features), Client::Idle))
            .collect();
        for _ in 0..steps {
            let at = usize::try_from(random.below(8)).expect("small");
            let (generator, client) = &mut clients[at];
            *client = match std::mem::replace(client, Client::Idle) {
                Client::Idle => {
                    let request = generator.next_request();
                    Client::Asked(self.invoke(&request), request)
                }
                Client::Asked(attempt, _) if random.one_in(25) => self.lose(attempt),
                Client::Asked(attempt, request) => {
                    let (answer, replayed) = self.commit(&request);
                    Client::Answered(attempt, request, answer, replayed)
                }
                Client::Answered(attempt, ..) if random.one_in(25) => self.lose(attempt),
                Client::Answered(attempt, request, answer, replayed) => {
                    self.tell(attempt, &answer, replayed);
                    generator.learn(&request, &answer);
                    Client::Idle
                }
            };
        }
    }

    fn lose(&mut self, attempt: u64) -> Client {
        self.note(attempt, What::Unknown { why: "cut".to_owned() });
        Client::Idle
    }

    pub fn invoke(&mut self, request: &Request) -> u64 {
        self.attempts += 1;
        self.note(self.attempts, What::Invoke { request: request.clone() });
        self.attempts
    }

    pub fn tell(&mut self, attempt: u64, answer: &Answer, replayed: bool) {
        let (answer, body) = (answer.clone(), format!("{answer:?}"));
        let what =
            if answer.refuses() { What::Fail { answer, replayed, body } } else { What::Ok { answer, replayed, body } };
        self.note(attempt, what);
    }

    fn note(&mut self, attempt: u64, what: What) {
        // A third of a second each, so that holds run out in between.
        self.ticks += 333_000_000;
        self.history.events.push(Event { attempt, at: self.ticks, what });
    }

    fn now(&self) -> i64 {
        self.history.micros(self.ticks)
    }

    /// Decides and writes.
    pub fn commit(&mut self, request: &Request) -> (Answer, bool) {
        let key = request.key.clone().map(|key| (request.who.clone(), request.route(), key));
        let shaped = shape(request).is_none();
        if let Some((first, answer)) = key.as_ref().and_then(|key| self.keys.get(key)).filter(|_| shaped) {
            if first.command != request.command {
                return (Answer::Refused { code: "idempotency_key_reused".to_owned() }, false);
            }
            if !request.only_asks() {
                return (answer.clone(), true);
            }
        }
        let verdict = self.ledger.judge(request, self.now()).swap_remove(0);
        let answer = self.answered(request, &verdict);
        if let (Some(key), true) = (key, is_frozen(request, &verdict)) {
            self.keys.insert(key, (request.clone(), answer.clone()));
        }
        (answer, false)
    }

    fn answered(&mut self, request: &Request, verdict: &Verdict) -> Answer {
        let version = 1;
        match (verdict, &request.command) {
            (Verdict::Refused(code), _) => Answer::Refused { code: code.clone() },
            (Verdict::Linked(codes), _) => Answer::Linked { codes: codes.clone() },
            (Verdict::Looked(status, remaining), _) => {
                let (status, tag) = (status.clone(), format!("{status} {remaining:?}"));
                Answer::Looked { status, remaining: *remaining, tag }
            }
            (Verdict::Balance(balance), _) => Answer::Balance { balance: *balance, version },
            (Verdict::Each(items), Command::Batch { orders, .. }) => {
                let each = items.iter().zip(orders).map(|(item, order)| match item {
                    Some(code) => Err(code.clone()),
                    None if request.dry_run => Ok(None),
                    None => Ok(Some(self.make(request, Some(order)))),
                });
                Answer::Each { items: each.collect() }
            }
            (Verdict::Exchanged(worth), Command::Exchange(exchange)) => {
                let ids = (!request.dry_run).then(|| self.exchange(&request.who, exchange));
                Answer::Exchanged { ids, worth: worth.clone() }
            }
            (Verdict::Exchanged(_), _) => unreachable!("of exchanges only"),
            (Verdict::Each(_) | Verdict::Done, Command::SetRate(new)) => {
                Answer::Made { id: self.set_rate(&request.who, new) }
            }
            (Verdict::Each(_) | Verdict::Done, Command::Step { account, step }) => {
                let to = target(*step);
                if self.ledger.account(account).expect("judged").status != to {
                    self.ledger.move_on(account, *step);
                    self.row(Committed::Status { account: account.clone(), to });
                }
                Answer::Stepped
            }
            (Verdict::Would(sketch), _) => Answer::Would(sketch.clone()),
            (Verdict::Each(_) | Verdict::Done, Command::Transfer(order)) => {
                Answer::Made { id: self.make(request, Some(order)) }
            }
            (Verdict::Each(_) | Verdict::Done, _) => Answer::Made { id: self.make(request, None) },
        }
    }

    fn row(&mut self, what: Committed) -> i64 {
        let position = self.record.end() + 1;
        self.record.rows.push(Row { position, at: self.now(), what });
        position
    }

    fn make(&mut self, request: &Request, order: Option<&Order>) -> String {
        let (id, at) = (self.id(), self.now());
        let transfer = match order {
            Some(order) => self.ledger.made(order, id, at),
            None => self.ledger.settling(&request.who, &request.command, id, at).expect("judged"),
        };
        let made = self.made(request, order, &transfer);
        self.write(transfer, made)
    }

    fn id(&mut self) -> String {
        self.transfers += 1;
        format!("t-{}", self.transfers)
    }

    fn write(&mut self, transfer: Transfer, made: Made) -> String {
        let (id, at, moves) = (transfer.id.clone(), transfer.at, transfer.kind.moves());
        let position = self.row(Committed::Transfer(made));
        let sides = [(transfer.debit.clone(), -transfer.amount), (transfer.credit.clone(), transfer.amount)];
        self.ledger.enter(transfer);
        for (account, amount) in sides.into_iter().filter(|_| moves) {
            let now = self.ledger.account(&account).expect("judged");
            let number = |value: i128| i64::try_from(value).expect("within 2^53");
            let (seq, balance_after) = (number(now.seq), number(now.balance));
            let transfer = id.clone();
            let entry = Entry { account, seq, transfer, amount: number(amount), balance_after, position, at };
            self.record.entries.push(entry);
        }
        self.record.entries.sort_by(|one, other| (&one.account, one.seq).cmp(&(&other.account, other.seq)));
        id
    }

    /// Writes what an exchange is made of, and then the exchange.
    fn exchange(&mut self, who: &Caller, exchange: &Exchange) -> Ids {
        let at = self.now();
        let deal = self.ledger.deal(who, exchange, at, &Reading::default()).expect("judged");
        let legs = deal.legs.iter().map(|leg| {
            let id = self.id();
            let transfer = self.ledger.made(leg, id, at);
            let command = Command::Transfer(leg.clone());
            let request = Request { who: who.clone(), key: None, dry_run: false, seen: None, command };
            let made = Made { tag: None, ..self.made(&request, Some(leg), &transfer) };
            self.write(transfer, made)
        });
        let legs: Vec<_> = legs.collect();
        let ids = Ids { exchange: self.id(), paid: legs[0].clone(), received: legs[1].clone() };
        let remainder = i64::try_from(deal.remainder).expect("less than a unit");
        let (id, rate_id, by) = (ids.exchange.clone(), deal.worth.rate_id, who.user.clone());
        self.row(Committed::Exchange(Exchanged { id, rate_id, legs, remainder, by }));
        self.ledger.set_carry(&deal.rounding, deal.carry);
        self.record.carries.insert(deal.rounding, i64::try_from(deal.carry).expect("less than a unit"));
        ids
    }

    fn set_rate(&mut self, who: &Caller, new: &NewRate) -> String {
        let value = Decimal::parse(&new.rate).expect("judged");
        let rate = Rate {
            id: self.id(),
            pair: (new.base.clone(), new.quote.clone()),
            value,
            base: new.base_account.clone(),
            quote: new.quote_account.clone(),
            rounding: new.rounding_account.clone(),
            valid_until: new.valid_until,
        };
        self.record.carries.entry(rate.rounding.clone()).or_default();
        let Rate { id, pair, base, quote, rounding, valid_until, .. } = rate.clone();
        let (rate_text, by) = (value.to_string(), who.user.clone());
        self.row(Committed::Rate(SetRate { id, pair, rate: rate_text, base, quote, rounding, valid_until, by }));
        self.ledger.set_rate(rate.clone());
        rate.id
    }

    fn made(&self, request: &Request, order: Option<&Order>, transfer: &Transfer) -> Made {
        let parent = transfer.kind.parent().map(|of| self.ledger.transfers()[of].id.clone());
        let (status, expires_at) = match transfer.kind {
            Kind::Pending { expires_at } => ("pending", expires_at),
            Kind::Voiding { .. } => ("voided", None),
            Kind::Posted | Kind::Posting { .. } | Kind::Reversal { .. } => ("posted", None),
        };
        let reversal = matches!(transfer.kind, Kind::Reversal { .. });
        let tag = match (&request.command, order) {
            (_, Some(order)) => Some(order.tag.clone()),
            (Command::Reverse { tag, .. }, None) => Some(tag.clone()),
            // As what it settles.
            (_, None) => parent.as_ref().and_then(|id| self.record.transfer(id)?.tag.clone()),
        };
        Made {
            id: transfer.id.clone(),
            debit: transfer.debit.clone(),
            credit: transfer.credit.clone(),
            amount: i64::try_from(transfer.amount).expect("within 2^53"),
            currency: order.map_or("USD", |order| &order.currency).to_owned(),
            status: status.to_owned(),
            tag,
            reference: transfer.reference.clone(),
            pending_of: parent.clone().filter(|_| !reversal),
            reversal_of: parent.filter(|_| reversal),
            expires_at,
            by: request.who.user.clone(),
        }
    }
}

/// A single transfer under a key.
pub fn alone(who: &Caller, key: &str, order: Order) -> Request {
    Request {
        who: who.clone(),
        key: Some(key.to_owned()),
        dry_run: false,
        seen: None,
        command: Command::Transfer(order),
    }
}

/// A batch under a key.
pub fn batch(who: &Caller, key: &str, mode: Mode, orders: Vec<Order>) -> Request {
    let command = Command::Batch { mode, orders };
    Request { who: who.clone(), key: Some(key.to_owned()), dry_run: false, seen: None, command }
}
