//! What the rounds say: rows, table and chart.

use sqlx::PgConnection;

use super::{BATCH_SIZE, FEW_CLIENTS, Series, Spread, Way, best};
use crate::failure::Failure;
use crate::report::{Curve, Detail, Line, Report, Row, Target, median};

/// The rows against pgbench, the table behind them, and the chart.
pub fn all(series: &[Series], report: &mut Report) {
    let one = |way: Way| series.iter().find(|one| one.way == way);
    let peak = |spread| best(series, spread, true);
    let mut row = |what: String, ours: Option<&Series>, peer: Option<&Series>, least: f64| {
        let shown = |side: Option<&Series>| side.map_or_else(String::new, Series::shown);
        let value = ours.zip(peer).map(|(ours, peer)| ours.rate() / peer.rate());
        report.rows.push(Row {
            what,
            ours: shown(ours),
            peer: shown(peer),
            value,
            unit: "x",
            target: Target::Least(least),
        });
    };
    for (spread, words, least) in [(Spread::Uniform, "uniform", 4.0), (Spread::Hot, "one hot account", 12.0)] {
        let what = format!("single transfers, {words}, against pgbench's best");
        row(what, best(series, spread, false), peak(spread), least);
    }
    for (spread, words) in [(Spread::Uniform, "uniform"), (Spread::Hot, "one hot account")] {
        for clients in FEW_CLIENTS {
            let what = format!("single transfers, {words}, against pgbench with as many clients");
            row(what, one(Way::Single(spread, clients)), one(Way::Pgbench(spread, clients)), 0.9);
        }
    }
    let batch = format!("batch transfers, {BATCH_SIZE} a request, against pgbench's best");
    row(batch, one(Way::Batch), peak(Spread::Uniform), 6.0);
    let of_ours = |spread| best(series, spread, false);
    if let Some((hot, uniform)) = of_ours(Spread::Hot).zip(of_ours(Spread::Uniform)) {
        report.rows.push(Row {
            what: "single transfers, one hot account, against uniform".to_owned(),
            ours: hot.shown(),
            peer: uniform.shown(),
            value: Some(hot.rate() / uniform.rate()),
            unit: "x",
            target: Target::Least(0.8),
        });
    }
    report.charts.push(("transfers.svg", curves(series)));
    report.details.push(Detail {
        title: "Transfers per second on one durable PostgreSQL (medians)".to_owned(),
        head: vec![
            "side",
            "accounts",
            "clients",
            "transfers/s",
            "p50 us",
            "p99 us",
            "service CPU us",
            "PostgreSQL CPU us",
            "WAL bytes",
        ],
        rows: series.iter().map(Series::cells).collect(),
    });
}

/// How large our tables are for each transfer in them, indexes included.
pub async fn sizes(connection: &mut PgConnection, transfers: u64, report: &mut Report) -> Result<(), Failure> {
    let sql = "SELECT coalesce(i.inhparent, c.oid)::regclass::text, sum(pg_table_size(c.oid))::float8, sum(pg_indexes_size(c.oid))::float8 \
               FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid \
               WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace GROUP BY 1 ORDER BY 2 DESC LIMIT 6";
    let found: Vec<(String, f64, f64)> = sqlx::query_as(sql).fetch_all(connection).await?;
    let each = |bytes: f64| format!("{:.0}", bytes / transfers.max(1) as f64);
    report.details.push(Detail {
        title: "Bytes on disk per transfer".to_owned(),
        head: vec!["table", "rows", "indexes"],
        rows: found.into_iter().map(|(table, rows, indexes)| vec![table, each(rows), each(indexes)]).collect(),
    });
    Ok(())
}

/// Rate and latency against the number of clients.
fn curves(series: &[Series]) -> Vec<Curve> {
    let lines = |of: fn(&Series) -> Option<f64>| {
        let mut lines: Vec<Line> = Vec::new();
        for one in series {
            let (name, clients) = match one.way {
                Way::Pgbench(spread, clients) => (format!("pgbench, {spread:?}"), clients),
                Way::Single(spread, clients) => (format!("tollgate, {spread:?}"), clients),
                Way::Batch => continue,
            };
            let Some(value) = of(one) else { continue };
            let point = (clients as f64, value);
            match lines.iter_mut().find(|line| line.name == name) {
                Some(line) => line.points.push(point),
                None => lines.push(Line { name, points: vec![point] }),
            }
        }
        lines
    };
    vec![
        Curve {
            title: "Durable transfers per second, one per request",
            unit: "per second",
            logarithmic: false,
            lines: lines(|one| Some(one.rate())),
        },
        Curve {
            title: "Latency of ours, p50",
            unit: "us",
            logarithmic: true,
            lines: lines(|one| (!one.p50.is_empty()).then(|| median(one.p50.iter().copied()))),
        },
        Curve {
            title: "Latency of ours, p99",
            unit: "us",
            logarithmic: true,
            lines: lines(|one| (!one.p99.is_empty()).then(|| median(one.p99.iter().copied()))),
        },
    ]
}
