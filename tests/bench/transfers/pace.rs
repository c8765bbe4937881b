//! Latency where nobody is in a hurry: one client alone, and all of them at 70 % of what the ledger can do.

use std::rc::Rc;

use super::ledger::Single;
use super::{Ground, Spread};
use crate::Scale;
use crate::failure::Failure;
use crate::load::{self, Load, Requests};
use crate::postgres::Postgres;
use crate::report::{Report, Row, Target, median};

/// Enough for about the best rate, so that 70 % of it can be had at all.
const CONNECTIONS: usize = 256;
const SHARE: f64 = 0.7;
/// What a lone client may wait beyond the disk, in microseconds.
const BEYOND_DISK: f64 = 2_000.0;

/// The rows on latency. How many transfers were posted for them.
pub async fn compare(ground: &Ground<'_>, scale: Scale, report: &mut Report) -> Result<u64, Failure> {
    let single = |spread| -> Rc<dyn Requests> { Rc::new(Single { endpoint: Rc::clone(&ground.single), spread }) };
    let address = ground.service.address();
    let mut posted = 0;
    for spread in [Spread::Uniform, Spread::Hot] {
        let (mut p50, mut p99, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        let (mut rates, mut most) = (Vec::new(), Vec::new());
        for _ in 0..scale.rounds {
            // What can be had is measured right before: the ledger has grown since the other rows, and a shared machine is
            // not as fast at one minute as at the next.
            let full = load::run(&address, single(spread), Load::closed(CONNECTIONS, scale.round)).await?;
            let load = Load { connections: CONNECTIONS, time: scale.round, rate: Some(full.rate() * SHARE) };
            let outcome = load::run(&address, single(spread), load).await?;
            most.push(full.rate());
            p50.push(outcome.latency(0.5));
            p99.push(outcome.latency(0.99));
            ratios.push(outcome.latency(0.99) / outcome.latency(0.5));
            rates.push(outcome.rate());
            posted += full.units + outcome.units;
        }
        report.rows.push(Row {
            what: format!("p99 of single transfers at 70 % of the rate just before, {spread:?}, against their p50"),
            ours: format!("{:.0} us at {:.0}/s of {:.0}", median(p99), median(rates), median(most)),
            peer: format!("{:.0} us", median(p50)),
            value: Some(median(ratios)),
            unit: "x",
            target: Target::Most(5.0),
        });
    }
    let (mut sync, mut alone) = (Vec::new(), Vec::new());
    for _ in 0..scale.rounds.min(3) {
        sync.push(Postgres::sync_micros()?);
        let outcome = load::run(&address, single(Spread::Uniform), Load::closed(1, scale.round)).await?;
        alone.push(outcome.latency(0.5));
        posted += outcome.units;
    }
    let (sync, alone) = (median(sync), median(alone));
    report.rows.push(Row {
        what: "one client alone, p50 beyond one fdatasync of the same disk".to_owned(),
        ours: format!("{alone:.0} us"),
        peer: format!("{sync:.0} us"),
        value: Some(alone - sync),
        unit: "us",
        target: Target::Most(BEYOND_DISK),
    });
    Ok(posted)
}
