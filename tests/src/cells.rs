//! Transfers between two cells, which are complete ledgers, made of nothing but what each answers to its clients: what the
//! trial of `accounts-service/beyond-one-primary.md` runs. The protocol and the proof stand there.
//!
//! - **Not decided** is a pending transfer from the payer into the clearing account that faces the other cell. Its metadata
//!   names the payee ([`destination`]).
//! - **Decided** is a posted transfer into that account, for ever: its row never changes. It is the unit from here on.
//! - **Paid** is one transfer in the other cell under the reference [`reference()`] of the unit; **refused** is a hold that takes
//!   the same reference and lapses. The ledger lets one of the two exist.
//! - **Given back** is one transfer in the payer's cell under [`returned`], to the payer or, where they take nothing, to the
//!   account of unclaimed money. It is asked for only after the refusal has been seen.
//!
//! Nothing is kept outside of the ledgers, so a coordinator can end anywhere, and any number of them may run.

mod coordinator;
mod door;
pub mod trial;

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

pub use self::coordinator::run;

use crate::backends::{BackendError, binary};

/// A cell as a coordinator knows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Side {
    /// Its name in destinations and references.
    pub cell: String,
    /// Its gateway, or what stands before it.
    pub gateway: SocketAddr,
    /// The access token of a treasurer.
    pub token: String,
    /// The system account that faces the other cell.
    pub clearing: String,
    /// The system account of money that nobody takes.
    pub unclaimed: String,
    /// Of both accounts.
    pub currency: String,
}

/// Two cells that pay one another.
pub type Plan = [Side; 2];

/// What a payer says in `metadata`: who is paid, in which cell.
#[must_use]
pub fn addressed(cell: &str, account: &str) -> Value {
    json!({"to": {"cell": cell, "account_id": account}})
}

/// Who is paid in `cell` by a transfer into its clearing account; `None` when it does not say so.
#[must_use]
pub fn destination<'a>(transfer: &'a Value, cell: &str) -> Option<&'a str> {
    let to = transfer.pointer("/metadata/to")?;
    let account = to.get("account_id")?.as_str()?;
    (to.get("cell")?.as_str()? == cell && uuid::Uuid::parse_str(account).is_ok()).then_some(account)
}

/// The reference, in the payee's cell, of what pays or refuses the unit `id` of `cell`.
#[must_use]
pub fn reference(cell: &str, id: &str) -> String {
    format!("cells:{cell}:{id}")
}

/// The reference, in the payer's cell, of what gives the unit `id` back.
#[must_use]
pub fn returned(id: &str) -> String {
    format!("cells:returned:{id}")
}

/// A coordinator as a process of its own, so that it can be killed like one.
#[derive(Debug)]
pub struct CoordinatorProcess {
    plan: NamedTempFile,
    child: Option<Child>,
}

impl CoordinatorProcess {
    /// Prepares one; nothing runs yet.
    ///
    /// # Errors
    /// [`BackendError`] when the binary is absent or the plan cannot be written.
    pub fn of(plan: &Plan) -> Result<Self, BackendError> {
        binary("coordinator")?;
        let file = NamedTempFile::new()?;
        serde_json::to_writer(&file, plan).map_err(std::io::Error::from)?;
        Ok(Self { plan: file, child: None })
    }

    /// Starts it.
    ///
    /// # Panics
    /// When the binary does not start.
    pub fn start(&mut self) {
        let program = binary("coordinator").unwrap_or_else(|error| panic!("{error}"));
        let mut command = Command::new(program);
        command.arg(self.plan.path()).stdin(Stdio::null()).stdout(Stdio::null());
        self.child = Some(command.spawn().expect("the binary starts"));
    }

    /// `kill -9`.
    ///
    /// # Panics
    /// When it was not running: a coordinator does not end by itself.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("the process was started");
        assert!(child.try_wait().expect("its state is known").is_none(), "the coordinator ended by itself");
        child.kill().expect("the process is killed");
        child.wait().expect("the process is gone");
    }
}

impl Drop for CoordinatorProcess {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}
