//! Commands, valid and invalid of all kinds, from a seed: the same seed asks the same, as far as it is answered the same.

mod exchanges;
mod orders;
mod random;
mod stage;

use std::collections::{BTreeMap, VecDeque};

pub use self::random::Random;
pub use self::stage::{Market, Place, Stage, Till};

use super::command::{Caller, Command, Mode, Order, Request, Seen, Step};
use super::history::Answer;

/// How many requests are remembered, to be asked again.
const REMEMBERED: usize = 200;

/// Orders in a batch, at most.
const ITEMS: u64 = 8;

/// What the service can do beyond posting at once: commands of what it cannot are not generated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Features {
    /// Pending transfers, posts and voids.
    pub holds: bool,
    /// Reversals.
    pub reversals: bool,
    /// References that are one among an owner's.
    pub references: bool,
    /// The preconditions `gt`, `eq` and `lt`.
    pub strict_bounds: bool,
    /// Exchanges, and rates for them.
    pub exchanges: bool,
}

impl Features {
    /// Everything that the contract names.
    pub const ALL: Self = Self { holds: true, reversals: true, references: true, strict_bounds: true, exchanges: true };
    /// Posting at once, and nothing else.
    pub const PLAIN: Self =
        Self { holds: false, reversals: false, references: false, strict_bounds: false, exchanges: false };
}

/// One client's source of commands.
#[derive(Debug, Clone)]
pub struct Generator {
    random: Random,
    features: Features,
    stage: Stage,
    /// Begins every key, tag and reference of this source.
    name: String,
    count: u64,
    balances: BTreeMap<String, (i64, i64)>,
    /// Transfers that can be reversed, and holds, with who may.
    posted: VecDeque<(Caller, String)>,
    pending: VecDeque<(Caller, String)>,
    old: VecDeque<Request>,
    /// As what transfers were seen, and the one that was seen last with who may do something about it.
    seen: BTreeMap<String, Seen>,
    looked: Option<(Caller, String)>,
    /// What was tried out under a key that it did not take.
    tried: Option<Request>,
    /// The rate that was told last, of each pair of accounts.
    rates: BTreeMap<(String, String), String>,
}

impl Generator {
    /// A source on `stage`; `name` is its own among all that run against one ledger.
    #[must_use]
    pub fn new(seed: u64, name: &str, stage: Stage, features: Features) -> Self {
        Self {
            random: Random::new(seed),
            features,
            stage,
            name: name.to_owned(),
            count: 0,
            balances: BTreeMap::new(),
            posted: VecDeque::new(),
            pending: VecDeque::new(),
            old: VecDeque::new(),
            seen: BTreeMap::new(),
            looked: None,
            tried: None,
            rates: BTreeMap::new(),
        }
    }

    /// What is asked next.
    pub fn next_request(&mut self) -> Request {
        self.count += 1;
        if let Some(tried) = self.tried.take().filter(|_| self.random.one_in(2)) {
            return self.keep(Request { dry_run: false, ..tried });
        }
        match self.random.below(100) {
            0..8 => self.again(),
            8..10 => self.with_an_old_key(),
            10..13 => self.step(),
            13..20 => self.balance(),
            20..26 => self.batch(Mode::Independent),
            26..31 => self.batch(Mode::Atomic),
            31..45 => self.settle(),
            45..61 if self.features.exchanges => self.exchange(),
            61..63 if self.features.exchanges => self.set_rate(),
            _ => self.single(),
        }
    }

    /// True once in `times`, on average: for what a client does by chance.
    pub fn happens_in(&mut self, times: u64) -> bool {
        self.random.one_in(times)
    }

    /// Takes note of what a request came to.
    pub fn learn(&mut self, request: &Request, answer: &Answer) {
        if let (Command::Balance { account }, Answer::Balance { balance, version }) = (&request.command, answer) {
            self.balances.insert(account.clone(), (*balance, *version));
        }
        if let (Command::Look { transfer }, Answer::Looked { status, remaining, tag }) = (&request.command, answer) {
            let seen = Seen { tag: tag.clone(), status: status.clone(), remaining: *remaining };
            self.seen.insert(transfer.clone(), seen);
        }
        if let (Command::Exchange(exchange), Answer::Exchanged { worth, .. }) = (&request.command, answer) {
            self.rates.insert((exchange.debit.clone(), exchange.credit.clone()), worth.rate.clone());
        }
        let Answer::Made { id } = answer else { return };
        // Also what cannot be settled or given back: somebody tries.
        let (known, who) = match &request.command {
            Command::Transfer(order) if order.pending => (&mut self.pending, request.who.clone()),
            Command::Transfer(order) => {
                let paid = self.stage.places.iter().find(|place| place.id == order.credit);
                let who = paid.map_or_else(|| self.stage.treasurer.clone(), |place| place.owner.clone());
                (&mut self.posted, who)
            }
            Command::Post { .. } | Command::Reverse { .. } => (&mut self.posted, self.stage.treasurer.clone()),
            Command::Void { .. } => (&mut self.pending, request.who.clone()),
            Command::Batch { .. }
            | Command::Exchange(_)
            | Command::SetRate(_)
            | Command::Step { .. }
            | Command::Look { .. }
            | Command::Balance { .. } => return,
        };
        known.push_back((who, id.clone()));
        if known.len() > REMEMBERED {
            known.pop_front();
        }
    }

    /// Remembers what was sent, to send it again.
    fn keep(&mut self, request: Request) -> Request {
        if request.key.is_some() {
            self.old.push_back(request.clone());
            if self.old.len() > REMEMBERED {
                self.old.pop_front();
            }
        }
        request
    }

    fn key(&self) -> String {
        format!("{}-{}", self.name, self.count)
    }

    fn tag(&self, item: usize) -> String {
        format!("{}-{}/{item}", self.name, self.count)
    }

    fn again(&mut self) -> Request {
        match self.random.pick(self.old.make_contiguous()).cloned() {
            Some(old) => old,
            None => self.single(),
        }
    }

    /// Another request under a key that is, or may be, taken.
    fn with_an_old_key(&mut self) -> Request {
        let old = self.random.pick(self.old.make_contiguous()).cloned();
        let Some(Request { who, key, command, .. }) = old else { return self.single() };
        let moves = !matches!(command, Command::SetRate(_));
        let command = match command {
            Command::Transfer(_) => Command::Transfer(self.order(&who, 0)),
            Command::Exchange(_) => Command::Exchange(self.sound_exchange(&who)),
            Command::SetRate(_) => Command::SetRate(self.sound_rate()),
            Command::Batch { .. }
            | Command::Post { .. }
            | Command::Void { .. }
            | Command::Reverse { .. }
            | Command::Step { .. }
            | Command::Look { .. }
            | Command::Balance { .. } => return self.single(),
        };
        // Who only tries it out hears the same of the key.
        Request { who, key, dry_run: self.random.one_in(4) && moves, seen: None, command }
    }

    fn single(&mut self) -> Request {
        let who = self.payer();
        let order = self.order(&who, 0);
        self.asked(who, Command::Transfer(order))
    }

    fn batch(&mut self, mode: Mode) -> Request {
        let who = self.payer();
        let items = usize::try_from(1 + self.random.below(ITEMS)).unwrap_or(1);
        let orders: Vec<Order> = (0..items)
            .map(|item| match mode {
                Mode::Independent => self.order(&who, item),
                // One bad order declines all, so most have none.
                Mode::Atomic if self.random.one_in(20) => self.order(&who, item),
                Mode::Atomic => self.sound_order(&who, item),
            })
            .collect();
        self.asked(who, Command::Batch { mode, orders })
    }

    /// With a key, or dry, or by mistake with neither.
    fn asked(&mut self, who: Caller, command: Command) -> Request {
        let dry_run = self.random.one_in(10);
        let key = (!self.random.one_in(if dry_run { 2 } else { 200 })).then(|| self.key());
        self.tried_or_kept(Request { who, key, dry_run, seen: None, command })
    }

    /// What is tried out may be asked next, under the same key.
    fn tried_or_kept(&mut self, request: Request) -> Request {
        if !request.dry_run {
            return self.keep(request);
        }
        self.tried = Some(request.clone()).filter(|request| request.key.is_some());
        request
    }

    fn payer(&mut self) -> Caller {
        if self.random.one_in(12) {
            return self.stage.treasurer.clone();
        }
        let customer = self.random.pick(&self.stage.customers).cloned();
        customer.unwrap_or_else(|| self.stage.treasurer.clone())
    }

    fn balance(&mut self) -> Request {
        let foreign = self.features.exchanges && self.random.one_in(4);
        let place = if foreign { self.foreign() } else { self.random.pick(&self.stage.places).cloned() };
        let who = match &place {
            Some(place) if self.random.one_in(4) => place.owner.clone(),
            Some(_) | None => self.stage.admin.clone(),
        };
        let account = place.map_or_else(|| self.stage.nobodys.clone(), |place| place.id);
        Request { who, key: None, dry_run: false, seen: None, command: Command::Balance { account } }
    }

    fn step(&mut self) -> Request {
        let (account, step, owner) = match self.random.below(8) {
            0 => (self.stage.nobodys.clone(), Step::Freeze, self.stage.admin.clone()),
            1..4 => {
                let place = self.random.pick(&self.stage.closing).cloned();
                let place = place.unwrap_or_else(|| self.stage.changing.clone());
                (place.id, Step::Close, place.owner)
            }
            step => {
                let step = if step % 2 == 0 { Step::Freeze } else { Step::Unfreeze };
                let till = self.stage.market.tills.last().filter(|_| self.features.exchanges);
                if let (Some(till), true) = (till, self.random.one_in(4)) {
                    let step = Command::Step { account: till.drawer.clone(), step };
                    return Request {
                        who: self.stage.admin.clone(),
                        key: None,
                        dry_run: false,
                        seen: None,
                        command: step,
                    };
                }
                (self.stage.changing.id.clone(), step, self.stage.changing.owner.clone())
            }
        };
        let who = if self.random.one_in(4) { owner } else { self.stage.admin.clone() };
        let key = self.random.one_in(2).then(|| self.key());
        self.keep(Request { who, key, dry_run: false, seen: None, command: Command::Step { account, step } })
    }

    /// Posts, voids and reversals, of what was made and of what was not.
    fn settle(&mut self) -> Request {
        let holds = self.features.holds && (!self.features.reversals || self.random.one_in(2));
        let known = if holds { &mut self.pending } else { &mut self.posted };
        let looked = self.looked.take();
        let looked = looked.filter(|(_, of)| self.random.one_in(2) && known.iter().any(|(_, id)| id == of));
        let Some((who, of)) = looked.or_else(|| self.random.pick(known.make_contiguous()).cloned()) else {
            return self.single();
        };
        let who = match self.random.below(8) {
            0 => self.payer(),
            1..3 => self.stage.treasurer.clone(),
            _ => who,
        };
        let of = if self.random.one_in(30) { self.stage.nobodys.clone() } else { of };
        if self.random.one_in(4) {
            self.looked = Some((who.clone(), of.clone()));
            let command = Command::Look { transfer: of };
            return Request { who, key: None, dry_run: false, seen: None, command };
        }
        let seen = self.seen.get(&of).cloned().filter(|_| self.random.one_in(2));
        let nothing = || Seen { tag: "\"nothing\"".to_owned(), status: String::new(), remaining: None };
        let seen = seen.or_else(|| self.random.one_in(20).then(nothing));
        let amount = match self.random.below(6) {
            0 => None,
            1 => Some(0),
            _ => Some(i64::try_from(1 + self.random.below(60)).unwrap_or(1)),
        };
        let command = match (holds, self.random.below(4)) {
            (true, 0) => Command::Void { of },
            (true, _) => Command::Post { of, amount, release: self.random.one_in(3) },
            (false, _) if self.features.reversals => Command::Reverse { of, amount, tag: self.tag(0) },
            (false, _) => return self.single(),
        };
        let dry_run = self.random.one_in(4);
        let key = (!dry_run || self.random.one_in(2)).then(|| self.key());
        self.tried_or_kept(Request { who, key, dry_run, seen, command })
    }
}
