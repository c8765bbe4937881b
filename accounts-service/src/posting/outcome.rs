//! How a request ended, and how that is kept under its key: bodies are not, where the ledger's rows say the same.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use shared::domain::TransferId;
use shared::problem::{Context, Problem};
use uuid::Uuid;

use super::core::Decided;

/// How a request ended, for good.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A single transfer, recorded; its body is rendered from this.
    Posted(Arc<Decided>),
    /// A batch, item by item; its body is rendered from this.
    Results(Arc<[Done]>),
    /// Anything else: the status and body as first answered.
    Stored(u16, Bytes),
}

/// How an item of a batch ended.
#[derive(Clone, Debug)]
pub enum Done {
    /// It was recorded.
    Posted(Arc<Decided>),
    /// It was refused with this status and problem.
    Refused(u16, Bytes),
}

impl Done {
    pub(super) fn refused(problem: &Problem, context: &Context) -> Self {
        Self::Refused(problem.code().status(), problem.body(context).into())
    }
}

/// The first byte of a stored body that is no body but the results of a batch. JSON cannot begin with it.
const RESULTS: u8 = 1;
/// An item that was recorded: its transfer's id follows.
const POSTED: u8 = 0;
/// An item that was refused: status, length and problem follow.
const REFUSED: u8 = 1;

/// What a key keeps: status, transfer, body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub status: i16,
    pub transfer: Option<Uuid>,
    pub body: Option<Bytes>,
}

impl Outcome {
    /// As it is kept. A posted single transfer keeps no body, and a batch its transfers' ids.
    pub(super) fn keep(&self) -> Kept {
        match self {
            Self::Posted(decided) => Kept { status: 201, transfer: Some(decided.record.id.as_uuid()), body: None },
            Self::Results(items) => Kept { status: 200, transfer: None, body: Some(encode(items)) },
            Self::Stored(status, body) => {
                Kept { status: i16::try_from(*status).unwrap_or(500), transfer: None, body: Some(body.clone()) }
            }
        }
    }
}

fn encode(items: &[Done]) -> Bytes {
    let mut body = BytesMut::with_capacity(1 + items.len() * 17);
    body.put_u8(RESULTS);
    for item in items {
        match item {
            Done::Posted(decided) => {
                body.put_u8(POSTED);
                body.put_slice(decided.record.id.as_uuid().as_bytes());
            }
            Done::Refused(status, problem) => {
                body.put_u8(REFUSED);
                body.put_u16(*status);
                body.put_u32(u32::try_from(problem.len()).unwrap_or(u32::MAX));
                body.put_slice(problem);
            }
        }
    }
    body.freeze()
}

/// What a key was found to keep: the transfers that its outcome names have yet to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stub {
    Posted(TransferId),
    Results(Vec<DoneStub>),
    Stored(u16, Bytes),
}

/// An item of a batch, likewise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DoneStub {
    Posted(TransferId),
    Refused(u16, Bytes),
}

impl Stub {
    /// Reads what [`Outcome::keep`] made; `None`: it made no such thing.
    pub fn read(status: i64, transfer: Option<Uuid>, body: Option<Vec<u8>>) -> Option<Self> {
        if let Some(id) = transfer {
            return Some(Self::Posted(id.into()));
        }
        let mut body = Bytes::from(body.unwrap_or_default());
        if body.first() != Some(&RESULTS) {
            return Some(Self::Stored(u16::try_from(status).ok()?, body));
        }
        body.advance(1);
        let mut items = Vec::with_capacity(body.len() / 17);
        while body.has_remaining() {
            items.push(DoneStub::read(&mut body)?);
        }
        Some(Self::Results(items))
    }

    /// The transfers that it names.
    pub fn transfers(&self) -> impl Iterator<Item = TransferId> {
        let (one, many) = match self {
            Self::Posted(id) => (Some(*id), [].as_slice()),
            Self::Results(items) => (None, items.as_slice()),
            Self::Stored(..) => (None, [].as_slice()),
        };
        let named = |item: &DoneStub| match item {
            DoneStub::Posted(id) => Some(*id),
            DoneStub::Refused(..) => None,
        };
        one.into_iter().chain(many.iter().filter_map(named))
    }

    /// The outcome, with its transfers as `read` has them; `None`: one is not there.
    pub fn fill(self, read: impl Fn(TransferId) -> Option<Arc<Decided>>) -> Option<Outcome> {
        Some(match self {
            Self::Posted(id) => Outcome::Posted(read(id)?),
            Self::Results(items) => {
                let fill = |item| match item {
                    DoneStub::Posted(id) => read(id).map(Done::Posted),
                    DoneStub::Refused(status, problem) => Some(Done::Refused(status, problem)),
                };
                Outcome::Results(items.into_iter().map(fill).collect::<Option<_>>()?)
            }
            Self::Stored(status, body) => Outcome::Stored(status, body),
        })
    }
}

impl DoneStub {
    fn read(body: &mut Bytes) -> Option<Self> {
        match body.try_get_u8().ok()? {
            POSTED => Some(Self::Posted(Uuid::from_u128(body.try_get_u128().ok()?).into())),
            REFUSED => {
                let (status, length) = (body.try_get_u16().ok()?, usize::try_from(body.try_get_u32().ok()?).ok()?);
                (body.len() >= length).then(|| Self::Refused(status, body.split_to(length)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::posting::{Memo, Record, Recorded};

    /// A transfer of this id.
    pub fn decided(id: u128) -> Arc<Decided> {
        let record = Record {
            id: Uuid::from_u128(id).into(),
            debit: Uuid::from_u128(1).into(),
            credit: Uuid::from_u128(2).into(),
            amount: 5_i64.try_into().unwrap(),
            currency: "USD".parse().unwrap(),
            by: Uuid::nil().into(),
            status: Recorded::Posted,
            pending_of: None,
            reversal_of: None,
            expires_at: None,
        };
        Decided { record, memo: Memo::default() }.into()
    }

    fn done() -> impl Strategy<Value = Done> {
        prop_oneof![
            any::<u128>().prop_map(|id| Done::Posted(decided(id))),
            (400_u16..600, any::<Vec<u8>>()).prop_map(|(status, body)| Done::Refused(status, body.into())),
        ]
    }

    proptest! {
        #[test]
        fn what_is_kept_of_a_batch_is_read_again(items in proptest::collection::vec(done(), 0..20), cut in any::<usize>()) {
            let kept = Outcome::Results(items.into()).keep();
            let body = kept.body.clone().unwrap().to_vec();
            let stub = Stub::read(kept.status.into(), None, Some(body.clone())).unwrap();
            let named = stub.transfers().count();
            let filled = stub.fill(|id| Some(decided(id.as_uuid().as_u128()))).unwrap();
            prop_assert_eq!(filled.keep(), kept);
            prop_assert_eq!(named, match &filled {
                Outcome::Results(items) => items.iter().filter(|item| matches!(item, Done::Posted(_))).count(),
                Outcome::Posted(_) | Outcome::Stored(..) => 0,
            });
            // Whatever is cut off, nothing else is read from the rest.
            let cut = cut % (body.len() + 1);
            if let Some(Stub::Results(fewer)) = Stub::read(200, None, Some(body[..cut].to_vec())) {
                prop_assert!(cut > 0 && fewer.len() <= 20);
            }
        }
    }

    #[test]
    fn what_names_a_transfer_that_is_not_there_is_no_outcome() {
        let kept = Outcome::Results([Done::Posted(decided(7))].into()).keep();
        let stub = Stub::read(200, None, kept.body.map(|body| body.to_vec())).unwrap();
        assert!(stub.fill(|_| None).is_none());
    }
}
