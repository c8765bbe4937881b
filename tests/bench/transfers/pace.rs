//! Latency where nobody is in a hurry: one client alone, and all of them at 70 % of what the ledger can do.

use std::rc::Rc;

use super::ledger::Single;
use super::{Ground, Spread};
use crate::Scale;
use crate::failure::Failure;
use crate::load::{self, Load, Requests};
use crate::postgres::Postgres;
use crate::report::{Report, Row, Target, median};

/// Enough for the best rate, so that 70 % of it can be had at all.
const CONNECTIONS: usize = 256;
const SHARE: f64 = 0.7;
/// What a lone client may wait beyond the disk, in microseconds.
const BEYOND_DISK: f64 = 2_000.0;

/// The rows on latency; `best` is what was posted per second at most. How many transfers were posted for them.
pub async fn compare(
    ground: &Ground<'_>,
    best: &[(Spread, f64)],
    scale: Scale,
    report: &mut Report,
) -> Result<u64, Failure> {
    let single = |spread| -> Rc<dyn Requests> { Rc::new(Single { endpoint: Rc::clone(&ground.single), spread }) };
    let address = ground.service.address();
    let mut posted = 0;
    for (spread, rate) in best {
        let load = Load { connections: CONNECTIONS, time: scale.round, rate: Some(rate * SHARE) };
        let (mut p50, mut p99, mut rates) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..scale.rounds.min(3) {
            let outcome = load::run(&address, single(*spread), load).await?;
            p50.push(outcome.latency(0.5));
            p99.push(outcome.latency(0.99));
            rates.push(outcome.rate());
            posted += outcome.units;
        }
        let (p50, p99) = (median(p50), median(p99));
        report.rows.push(Row {
            what: format!("p99 of single transfers at 70 % of the best rate, {spread:?}, against their p50"),
            ours: format!("{p99:.0} us at {:.0}/s of {:.0}", median(rates), rate * SHARE),
            peer: format!("{p50:.0} us"),
            value: Some(p99 / p50),
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
