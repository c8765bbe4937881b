//! What the three services keep resident when nobody asks anything of them.

use std::path::Path;
use std::time::Duration;

use crate::failure::Failure;
use crate::report::{Detail, Report, Row, Target};
use crate::stack::Stack;

/// What was only needed to start is given back meanwhile.
const REST: Duration = Duration::from_secs(10);
const KIB_PER_MIB: f64 = 1024.0;

/// Starts them on embedded stores, lets them rest, and adds their sizes.
pub async fn weigh(folder: &Path, secret: &str, report: &mut Report) -> Result<(), Failure> {
    let stack = Stack::start(folder, secret).await?;
    tokio::time::sleep(REST).await;
    let (mut rows, mut all_rss, mut all_pss, mut users) = (Vec::new(), 0.0, 0.0, 0.0);
    for (name, server) in [("gateway", &stack.gateway), ("users", &stack.users), ("accounts", &stack.accounts)] {
        let (rss, pss) = server.processes()?.memory_kib();
        let (rss, pss) = (rss as f64 / KIB_PER_MIB, pss as f64 / KIB_PER_MIB);
        all_rss += rss;
        all_pss += pss;
        if name == "users" {
            users = rss;
        }
        rows.push(vec![name.to_owned(), format!("{rss:.1}"), format!("{pss:.1}")]);
    }
    report.rows.push(Row {
        what: "idle memory, all three services together, resident".to_owned(),
        ours: format!("{all_rss:.1} MiB ({all_pss:.1} proportional)"),
        peer: String::new(),
        value: Some(all_rss),
        unit: "MiB",
        target: Target::Most(60.0),
    });
    report.rows.push(Row {
        what: "idle memory, users-service, resident".to_owned(),
        ours: format!("{users:.1} MiB"),
        peer: String::new(),
        value: Some(users),
        unit: "MiB",
        target: Target::Most(25.0),
    });
    let title = "Idle memory on embedded stores".to_owned();
    report.details.push(Detail { title, head: vec!["service", "RSS MiB", "PSS MiB"], rows });
    Ok(())
}
