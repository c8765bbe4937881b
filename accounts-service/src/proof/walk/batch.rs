//! Batches of a walk: each begins where the one before ended, and ends with what its link was made of.

use super::Walk;
use crate::proof::chain::{Content, link};
use crate::proof::finding::Place;
use crate::proof::invariant::Invariant;
use crate::proof::rows::{Batch, Entry, Event, Transfer};

/// The end of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The last batch.
    pub batch_no: i64,
    /// Its link, as it is recorded: what was forged once is said once.
    pub hash: Vec<u8>,
    /// Its last position.
    pub last: i64,
    /// Its instant.
    pub at: i64,
}

/// A batch whose transfers are coming by.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) batch: Batch,
    pub(super) count: i64,
    /// The last position of it that anything stands at.
    reached: i64,
    content: Content,
}

impl Walk {
    /// A batch begins.
    pub(super) fn open_batch(&mut self, batch: Batch) {
        self.close_batch();
        let place =
            Place { batch_no: Some(batch.batch_no), at: Some(batch.posted_at), ..Place::at(batch.first_position) };
        let Chain { batch_no, hash, last, at } = std::mem::replace(
            &mut self.chain,
            Chain {
                batch_no: batch.batch_no,
                hash: batch.hash.clone(),
                last: batch.last_position,
                at: batch.posted_at,
            },
        );
        let next = batch_no.saturating_add(1);
        if batch.batch_no > next {
            let lost = if batch.batch_no == next.saturating_add(1) {
                format!("batch {next} is missing")
            } else {
                format!("batches {next} to {} are missing", batch.batch_no - 1)
            };
            let place = Place { batch_no: Some(next), at: None, ..Place::at(last.saturating_add(1)) };
            self.findings.check(Invariant::ChainLinks, &place, false, || lost);
        } else {
            let follows = batch.batch_no == next && link(&hash, &batch).as_slice() == batch.hash;
            self.findings.check(Invariant::ChainLinks, &place, follows, || match batch.batch_no == next {
                true => format!("the link of batch {next} does not follow from batch {batch_no} and its own content"),
                false => format!("batch {} comes after batch {batch_no}", batch.batch_no),
            });
        }
        let later = batch.first_position > last && batch.posted_at > at && batch.last_position >= batch.first_position;
        self.findings.check(Invariant::BatchPlaces, &place, later, || {
            format!("batch {} does not begin after the place and the instant of batch {batch_no}", batch.batch_no)
        });
        self.check_month(&place, batch.posted_at);
        if self.formats.last().is_none_or(|(_, format)| *format != batch.format) {
            self.formats.push((batch.first_position, batch.format));
        }
        let reached = batch.first_position.saturating_sub(1);
        self.open = Some(Open { content: Content::of(&batch), batch, count: 0, reached });
    }

    /// The batch that is under way has no more transfers.
    pub(super) fn close_batch(&mut self) {
        let Some(Open { batch, count, reached, content }) = self.open.take() else { return };
        let place =
            Place { batch_no: Some(batch.batch_no), at: Some(batch.posted_at), ..Place::at(batch.first_position) };
        let digest = content.digest();
        self.findings.check(
            Invariant::ChainContents,
            &place,
            digest.is_some_and(|is| is.as_slice() == batch.content),
            || match digest {
                Some(_) => format!("the {count} transfers of batch {} are not what it recorded", batch.batch_no),
                None => format!("batch {} is of format {}, which nobody knows", batch.batch_no, batch.format),
            },
        );
        self.findings.check(Invariant::BatchPlaces, &place, reached == batch.last_position, || {
            format!("batch {} ends with {}, and nothing stands behind {reached}", batch.batch_no, batch.last_position)
        });
    }

    /// Something stands at a position. No link covers where a batch ends, but all that it has taken it has written to, at its
    /// own instant: one that was made longer ends where nothing stands, or with what somebody else has written.
    pub(super) fn reach(&mut self, place: &Place, position: i64, events: &[Event]) {
        let Some(open) = self.open.as_mut().filter(|open| position <= open.batch.last_position) else { return };
        open.reached = position;
        if events.iter().any(|event| event.recorded_at != open.batch.posted_at) {
            self.findings.add(Invariant::BatchPlaces, place.clone(), "an event of another instant lies in it");
        }
    }

    /// A transfer, in the batch that is under way if it lies there.
    pub(super) fn place_in_batch(&mut self, transfer: &Transfer, entries: &[Entry]) -> Place {
        let place = Place::at(transfer.position).with(transfer.id);
        let inside = self.open.as_mut().filter(|open| transfer.position <= open.batch.last_position);
        let Some(open) = inside else {
            let place = Place { at: Some(transfer.created_at), ..place };
            self.findings.check(Invariant::BatchPlaces, &place, false, || "it lies in no batch".to_owned());
            return place;
        };
        let Batch { batch_no, first_position, posted_at, .. } = open.batch;
        let place = Place { batch_no: Some(batch_no), at: Some(posted_at), ..place };
        let here = transfer.position == first_position + open.count && transfer.created_at == posted_at;
        let said = if transfer.created_at == posted_at {
            format!("it is not the one after transfer {} of its batch", open.count)
        } else {
            "it was recorded at another instant than its batch".to_owned()
        };
        // What follows a gap follows on from here.
        open.count = transfer.position - first_position + 1;
        open.content.add(transfer, entries);
        self.findings.check(Invariant::BatchPlaces, &place, here, || said);
        place
    }
}
