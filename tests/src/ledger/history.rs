//! What clients asked and what they learned, each with its instant: one event a line, as it happened.

use std::io::{self, BufRead, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::command::Request;

/// How one item of a batch ended: nothing is wrong, or its code.
pub type Ended = Option<String>;

/// What an exchange comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worth {
    /// The rate that it is made at.
    pub rate_id: String,
    /// The same as a decimal.
    pub rate: String,
    /// What is paid, in minor units.
    pub paid: i64,
    /// What arrives, in minor units of the other currency.
    pub received: i64,
    /// What rounding takes: a part of a minor unit, as a decimal.
    pub remainder: String,
}

/// A transfer that a dry run shows: what the call itself would make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sketch {
    /// Who would pay.
    pub debit: String,
    /// Who would receive.
    pub credit: String,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
    /// As it would be recorded: posted, pending or voided.
    pub status: String,
}

/// An exchange that was made, with its two transfers that clients are told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ids {
    /// Its own.
    pub exchange: String,
    /// Of what was paid.
    pub paid: String,
    /// Of what was received.
    pub received: String,
}

/// What a client was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "snake_case")]
pub enum Answer {
    /// A transfer was made.
    Made {
        /// Its id.
        id: String,
    },
    /// It would be made: a dry run.
    Would(Sketch),
    /// An exchange was made, or in a dry run would be.
    Exchanged {
        /// None in a dry run.
        ids: Option<Ids>,
        /// What it comes to.
        worth: Worth,
    },
    /// The account is where it was to go.
    Stepped,
    /// A transfer as it stands.
    Looked {
        /// What it is by now.
        status: String,
        /// What remains of it.
        remaining: Option<i64>,
        /// Its entity tag.
        tag: String,
    },
    /// A balance.
    Balance {
        /// In minor units.
        balance: i64,
        /// Of the account, as it was read.
        version: i64,
    },
    /// A batch was decided item by item: ids of what was made (none in a dry run), codes of what was not.
    Each {
        /// In the order of the request.
        items: Vec<Result<Option<String>, String>>,
    },
    /// An atomic batch was declined: the code of each item.
    Linked {
        /// In the order of the request.
        codes: Vec<String>,
    },
    /// Refused.
    Refused {
        /// The problem's code.
        code: String,
    },
}

/// An answer without what only the service can know: this is what the model predicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is done, or would be.
    Done,
    /// It would be done so.
    Would(Sketch),
    /// The exchange is made, or would be.
    Exchanged(Worth),
    /// The transfer's status, and what remains of it.
    Looked(String, Option<i64>),
    /// The balance.
    Balance(i64),
    /// A batch, item by item.
    Each(Vec<Ended>),
    /// An atomic batch that was declined.
    Linked(Vec<String>),
    /// Refused, with this code.
    Refused(String),
}

impl Answer {
    /// What the model would have to say.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Made { .. } | Self::Stepped => Verdict::Done,
            Self::Would(sketch) => Verdict::Would(sketch.clone()),
            Self::Exchanged { worth, .. } => Verdict::Exchanged(worth.clone()),
            Self::Looked { status, remaining, .. } => Verdict::Looked(status.clone(), *remaining),
            Self::Balance { balance, .. } => Verdict::Balance(*balance),
            Self::Each { items } => Verdict::Each(items.iter().map(|item| item.as_ref().err().cloned()).collect()),
            Self::Linked { codes } => Verdict::Linked(codes.clone()),
            Self::Refused { code } => Verdict::Refused(code.clone()),
        }
    }

    /// Everything made that it names: transfers, an exchange, a rate.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let (one, many) = match self {
            Self::Made { id } => (Some(id.as_str()), [].as_slice()),
            Self::Each { items } => (None, items.as_slice()),
            Self::Exchanged { ids: Some(ids), .. } => (Some(ids.exchange.as_str()), [].as_slice()),
            Self::Exchanged { ids: None, .. }
            | Self::Would(_)
            | Self::Stepped
            | Self::Looked { .. }
            | Self::Balance { .. }
            | Self::Linked { .. }
            | Self::Refused { .. } => (None, [].as_slice()),
        };
        one.into_iter().chain(many.iter().filter_map(|item| item.as_ref().ok()?.as_deref()))
    }

    /// Whether it is a refusal, of all that was asked.
    #[must_use]
    pub const fn refuses(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Linked { .. })
    }
}

/// What happened.
#[expect(clippy::large_enum_variant, reason = "half of them are the large ones")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum What {
    /// A client is about to ask.
    Invoke {
        /// This.
        request: Request,
    },
    /// It was told that it is done.
    Ok {
        /// What it was told.
        answer: Answer,
        /// Whether the answer said that it had been given before.
        replayed: bool,
        /// A digest of the answer's body.
        body: String,
    },
    /// It was told for good that it is not.
    Fail {
        /// What it was told.
        answer: Answer,
        /// Whether the answer said that it had been given before.
        replayed: bool,
        /// A digest of the answer's body.
        body: String,
    },
    /// It does not know.
    Unknown {
        /// What came instead of an answer.
        why: String,
    },
}

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Which attempt; an attempt is invoked once and ends at most once.
    pub attempt: u64,
    /// Nanoseconds since the history began, on a clock that never goes back.
    pub at: u64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// A whole history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The wall clock when it began, in microseconds since the epoch.
    pub began: i64,
    /// Whether somebody between the clients and the ledger asks again by themselves: then a first answer may be told as a
    /// replay.
    pub mediated: bool,
    /// In the order in which they were written down.
    pub events: Vec<Event>,
}

impl History {
    /// Writes it as lines of JSON, the first of which says when it began.
    ///
    /// # Errors
    /// When `to` takes no more.
    pub fn write(&self, mut to: impl Write) -> io::Result<()> {
        writeln!(to, "{}", serde_json::json!({"began": self.began, "mediated": self.mediated}))?;
        self.events.iter().try_for_each(|event| writeln!(to, "{}", serde_json::to_string(event)?))
    }

    /// Reads what [`History::write`] wrote.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(from: impl BufRead) -> io::Result<Self> {
        #[derive(Deserialize)]
        struct Head {
            began: i64,
            mediated: bool,
        }
        let mut lines = from.lines();
        let head = lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
        let Head { began, mediated } = serde_json::from_str(&head)?;
        let events = lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect::<io::Result<_>>()?;
        Ok(Self { began, mediated, events })
    }

    /// The wall clock at an instant of the history, in microseconds since the epoch.
    #[must_use]
    pub fn micros(&self, at: u64) -> i64 {
        self.began.saturating_add(i64::try_from(at / 1_000).unwrap_or(i64::MAX))
    }
}

/// Writes a history down while it happens, for any number of clients.
#[derive(Debug)]
pub struct Recorder {
    start: Instant,
    began: i64,
    mediated: bool,
    next: AtomicU64,
    events: Mutex<Vec<Event>>,
}

impl Recorder {
    /// Begins at `now`, in microseconds since the epoch.
    #[must_use]
    pub fn begin(now: i64) -> Self {
        Self { start: Instant::now(), began: now, mediated: false, next: AtomicU64::new(1), events: Mutex::default() }
    }

    /// The same of clients behind somebody who asks again by themselves.
    #[must_use]
    pub fn mediated(self) -> Self {
        Self { mediated: true, ..self }
    }

    /// An attempt begins; its number.
    pub fn invoke(&self, request: &Request) -> u64 {
        let attempt = self.next.fetch_add(1, Ordering::Relaxed);
        self.note(attempt, What::Invoke { request: request.clone() });
        attempt
    }

    /// An attempt has ended.
    pub fn note(&self, attempt: u64, what: What) {
        let mut events = self.events.lock();
        // Under the lock, so that the order of lines is the order of instants.
        let at = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        events.push(Event { attempt, at, what });
    }

    /// Everything so far.
    #[must_use]
    pub fn history(&self) -> History {
        History { began: self.began, mediated: self.mediated, events: self.events.lock().clone() }
    }

    /// How many attempts have ended with an answer.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.events.lock().iter().filter(|event| matches!(event.what, What::Ok { .. } | What::Fail { .. })).count()
    }
}
