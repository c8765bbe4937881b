//! Reads of the total while everything breaks: in one snapshot of the database, all balances of a currency are nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::PgConnection;

use crate::backends::connect;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);
/// A look that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(2);
const TOTALS: &str = "SELECT currency || ' ' || sum(balance)::text FROM accounts GROUP BY currency \
                      HAVING sum(balance) <> 0";

/// A reader beside the service.
#[derive(Debug)]
pub(super) struct Sampler {
    on: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<(u64, Vec<String>)>,
}

impl Sampler {
    pub(super) fn start(url: &str) -> Self {
        let (on, url) = (Arc::new(AtomicBool::new(true)), url.to_owned());
        let going = Arc::clone(&on);
        let task = tokio::spawn(async move {
            let (mut samples, mut wrong) = (0, Vec::new());
            let mut connection = None;
            while going.load(Ordering::SeqCst) {
                tokio::time::sleep(PAUSE).await;
                // No answer is nothing: it is broken on purpose.
                let looked = tokio::time::timeout(PATIENCE, look(&url, connection.take())).await;
                if let Ok(Ok((totals, kept))) = looked {
                    samples += 1;
                    wrong.extend(totals);
                    connection = Some(kept);
                }
            }
            (samples, wrong)
        });
        Self { on, task }
    }

    /// How often it could look, and every total that was not nothing.
    pub(super) async fn stop(self) -> (u64, Vec<String>) {
        self.on.store(false, Ordering::SeqCst);
        self.task.await.expect("the sampler runs")
    }
}

async fn look(url: &str, kept: Option<PgConnection>) -> Result<(Vec<String>, PgConnection), sqlx::Error> {
    let mut connection = match kept {
        Some(kept) => kept,
        None => connect(url).await?,
    };
    let totals = sqlx::query_scalar(TOTALS).fetch_all(&mut connection).await?;
    Ok((totals, connection))
}
