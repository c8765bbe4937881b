//! Rates and exchanges among the committed rows: each exchange at the rate that was the newest there, to the last grain.

use super::{Replay, Scene, blind};
use crate::ledger::checker::claims::EXCHANGE;
use crate::ledger::command::Command;
use crate::ledger::history::Answer;
use crate::ledger::model::{Deal, Decimal, Rate, Reading};
use crate::ledger::record::{Committed, Exchanged, Made, Row, SetRate};

/// The rate of a row.
pub(super) fn rate(set: &SetRate) -> Option<Rate> {
    Some(Rate {
        id: set.id.clone(),
        pair: set.pair.clone(),
        value: Decimal::parse(&set.rate)?,
        base: set.base.clone(),
        quote: set.quote.clone(),
        rounding: set.rounding.clone(),
        valid_until: set.valid_until,
    })
}

impl<'a> Replay<'a> {
    /// A rate is in force from here on.
    pub(super) fn rate(&mut self, at: usize, row: &Row, set: &SetRate) {
        if let Some((number, _)) = self.scene.claims.of_row.get(&at) {
            let op = &self.scene.ops[*number];
            if let Command::SetRate(new) = &op.request.command {
                // That its accounts are open is looked at before its place is taken: one may have been frozen in between.
                let from = self.scene.windows.of(*number).from;
                let turned = |id: &str| self.turned.get(id).is_some_and(|turned| *turned >= from);
                let lenient = self.ledger.not_open(new).next().is_some() && self.ledger.not_open(new).all(turned);
                let code = self.ledger.rate_refusal(&op.request.who, new, row.at).filter(|_| !lenient);
                if let Some(code) = code {
                    self.find("not_allowed", format!("{code}: {set:?} as {:?}", op.request));
                }
            }
        }
        match rate(set) {
            Some(rate) => self.ledger.set_rate(rate),
            None => self.find("altered", format!("no rate: {set:?}")),
        }
    }

    /// All of an exchange's transfers, the first of which is the row at `at`; the next moment that anybody could see.
    pub(super) fn exchange(&mut self, at: usize, number: usize) -> usize {
        let op = &self.scene.ops[number];
        let Command::Exchange(asked) = &op.request.command else { return at + 1 };
        let rows = legs(self.scene, at, number);
        let now = self.scene.rows[at].at;
        match self.ledger.deal(&op.request.who, asked, now, &Reading::default()) {
            Err(code) => {
                self.find("not_allowed", format!("{code}: {:?}", op.request));
                for (row, made) in &rows {
                    let transfer = blind(&self.ledger, made, row.at);
                    self.enter(row, made, transfer);
                }
            }
            Ok(deal) => {
                self.compare(number, &deal, &rows);
                for (leg, (row, made)) in deal.legs.iter().zip(&rows) {
                    let transfer = self.ledger.made(leg, made.id.clone(), row.at);
                    self.enter(row, made, transfer);
                }
                self.ledger.set_carry(&deal.rounding, deal.carry);
            }
        }
        at + rows.len().max(1)
    }

    /// The model's exchange against its rows and against what its client was told.
    fn compare(&mut self, number: usize, deal: &Deal, rows: &[(&Row, &Made)]) {
        let op = &self.scene.ops[number];
        let expected: Vec<_> =
            deal.legs.iter().map(|leg| (&leg.debit, &leg.credit, leg.amount, &leg.currency)).collect();
        let there: Vec<_> =
            rows.iter().map(|(_, made)| (&made.debit, &made.credit, made.amount, &made.currency)).collect();
        if expected != there {
            self.find("not_as_the_model", format!("{expected:?} instead of {there:?} of {:?}", op.request));
        }
        let row = self.scene.claims.row((number, EXCHANGE)).map(|row| &self.scene.rows[row].what);
        let expected = Exchanged {
            id: String::new(),
            rate_id: deal.worth.rate_id.clone(),
            legs: rows.iter().map(|(_, made)| made.id.clone()).collect(),
            remainder: i64::try_from(deal.remainder).unwrap_or(i64::MAX),
            by: op.request.who.user.clone(),
        };
        let fits = matches!(row, Some(Committed::Exchange(made)) if Exchanged { id: made.id.clone(), ..expected.clone() } == *made);
        if !fits {
            self.find("not_as_the_model", format!("{expected:?} instead of {row:?}"));
        }
        if let Some(Answer::Exchanged { worth, .. }) = op.end.as_ref().map(|end| &end.answer)
            && *worth != deal.worth
        {
            self.find(
                "not_as_the_model",
                format!("{:?} instead of {worth:?} was told to {:?}", deal.worth, op.request),
            );
        }
    }
}

/// Its transfers, as far as they stand in a row.
fn legs<'a>(scene: &'a Scene<'a>, at: usize, number: usize) -> Vec<(&'a Row, &'a Made)> {
    let own = |item: usize| {
        let row = scene.claims.row((number, item)).filter(|row| *row == at + item)?;
        let row = &scene.rows[row];
        if let Committed::Transfer(made) = &row.what { Some((row, made)) } else { None }
    };
    (0..EXCHANGE).map_while(own).collect()
}
