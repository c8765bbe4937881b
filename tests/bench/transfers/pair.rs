//! Two processes on one ledger, against one: as many clients, half of them at each.

use std::path::Path;
use std::rc::Rc;

use super::ledger::{self, Single};
use super::{Ground, Spread};
use crate::Scale;
use crate::failure::Failure;
use crate::load::{self, Load, Requests};
use crate::report::{Report, Row, Target, median};

const CLIENTS: usize = 64;

/// The rows on two processes; how many transfers were posted for them.
pub async fn compare(ground: &Ground<'_>, folder: &Path, scale: Scale, report: &mut Report) -> Result<u64, Failure> {
    let second = ledger::start(&ground.postgres, folder, ground.secret, "accounts-service-2").await?;
    let mut posted = 0;
    let ways = [(Spread::Uniform, "uniform", 0.8), (Spread::System, "one hot system account", 0.5)];
    for (spread, words, least) in ways {
        let requests: Rc<dyn Requests> = Rc::new(Single { endpoint: Rc::clone(&ground.single), spread });
        let (mut one, mut two) = (Vec::new(), Vec::new());
        for _ in 0..scale.rounds.min(3) {
            let (first, other) = (ground.service.address(), second.address());
            let alone = load::run(&first, Rc::clone(&requests), Load::closed(CLIENTS, scale.round)).await?;
            let half = Load::closed(CLIENTS / 2, scale.round);
            let (left, right) = tokio::join!(
                load::run(&first, Rc::clone(&requests), half),
                load::run(&other, Rc::clone(&requests), half)
            );
            let (left, right) = (left?, right?);
            one.push(alone.rate());
            two.push(left.rate() + right.rate());
            posted += alone.units + left.units + right.units;
        }
        let (one, two) = (median(one), median(two));
        report.rows.push(Row {
            what: format!("single transfers, {words}, {CLIENTS} clients: two processes on one ledger, against one"),
            ours: format!("{two:.0}/s"),
            peer: format!("{one:.0}/s"),
            value: Some(two / one),
            unit: "x",
            target: Target::Least(least),
        });
    }
    Ok(posted)
}
