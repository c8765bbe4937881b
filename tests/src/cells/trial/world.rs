//! Two cells with everything that a cell has: a gateway, a users service, a ledger as a process of its own, its database.

use std::time::Duration;

use serde_json::json;

use super::judge::{Log, Names, judge};
use crate::backends::{Backend, BackendError, Ground};
use crate::cells::{CoordinatorProcess, Plan, Side};
use crate::client::{Person, fresh_key};
use crate::faults::{Fault, Proxy};
use crate::ledger::Record;
use crate::stack::{AccountsProcess, Service, Stack};
use crate::wait::try_until;

const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";
/// What each payer's account has to begin with, in cents.
const MONEY: i64 = 100_000;
const PLACES: usize = 4;
const GRACE: Duration = Duration::from_secs(5);
/// How long whatever is under way may take when all is well again.
const REST: Duration = Duration::from_secs(60);

/// One cell.
#[derive(Debug)]
pub(super) struct Cell {
    // In the order in which they have to end.
    pub(super) stack: Stack,
    pub(super) accounts: AccountsProcess,
    /// The coordinators' way to the gateway.
    pub(super) way: Proxy,
    pub(super) name: &'static str,
    pub(super) database: String,
    pub(super) clearing: String,
    pub(super) unclaimed: String,
    pub(super) second: Person,
    pub(super) payer: Person,
    /// The payer's accounts, with money in them.
    pub(super) places: Vec<String>,
    /// Accounts that take nothing: a closed one, a full one, one that is not there, one in another currency.
    pub(super) unable: Vec<String>,
}

/// Both cells.
#[derive(Debug)]
pub(super) struct World(pub(super) [Cell; 2]);

impl Cell {
    async fn lay(backend: Backend, name: &'static str) -> Result<Self, BackendError> {
        let ground = Ground::lay(backend).await?;
        let database = ground.accounts.clone();
        let mut accounts = AccountsProcess::on(&database, SECRET)?;
        accounts.start().await;
        let stack = Stack::builder(backend)
            .accounts_at(accounts.addr)
            .set(Service::Users, "tokens.access_lifetime", "1h")
            .assertion_secret(SECRET)
            .start_on(ground)
            .await;
        let way = Proxy::listen().await?;
        way.aim(stack.gateway);
        let treasurer = stack.treasurer().await.client.clone();
        let clearing = treasurer.open_system("clearing", "USD").await;
        let unclaimed = treasurer.open_system("unclaimed", "USD").await;
        let second = stack.with_roles("second", &["treasurer"]).await;
        let payer = stack.register("payer").await;
        let mut places = Vec::new();
        for _ in 0..PLACES {
            places.push(stack.account_with(&payer, MONEY).await);
        }
        let (closed, full) = (payer.client.open("closed", "USD").await, payer.client.open("full", "USD").await);
        drop(payer.client.post(&format!("/api/v1/accounts/{closed}/close"), json!({})).await.expect(200));
        drop(treasurer.patch(&format!("/api/v1/accounts/{full}"), json!({"ceiling": 0})).await.expect(200));
        let unable = vec![closed, full, uuid::Uuid::new_v4().to_string(), payer.client.open("euros", "EUR").await];
        Ok(Self { stack, accounts, way, name, database, clearing, unclaimed, second, payer, places, unable })
    }

    fn side(&self, treasurer: &Person) -> Side {
        Side {
            cell: self.name.to_owned(),
            gateway: self.way.addr,
            token: treasurer.client.token().unwrap_or_default().to_owned(),
            clearing: self.clearing.clone(),
            unclaimed: self.unclaimed.clone(),
            currency: "USD".to_owned(),
        }
    }

    /// Whether nobody's money is held for the other cell. (Refusals hold some of the clearing account's own, for a second.)
    async fn is_settled(&self) -> bool {
        let path = format!("/api/v1/transfers?scope=all&status=pending&limit=100&account_id={}", self.clearing);
        let client = &self.stack.treasurer().await.client;
        let Ok(page) = client.call(reqwest::Method::GET, &path).try_send().await else { return false };
        if page.status != 200 {
            return false;
        }
        let page = page.json();
        let rows = page["data"].as_array().expect("a list");
        page["page"]["has_more"] == false && rows.iter().all(|row| row["credit_account_id"] != self.clearing)
    }

    /// What accounts hold, as of now, of the payer's.
    async fn held(&self) -> i64 {
        let mut held = 0;
        for place in &self.places {
            held += self.payer.client.get(&format!("/api/v1/accounts/{place}")).await.expect(200).int("/held");
        }
        held
    }
}

impl World {
    pub(super) async fn lay(backend: Backend) -> Result<Self, BackendError> {
        let (a, b) = tokio::join!(Cell::lay(backend, "a"), Cell::lay(backend, "b"));
        Ok(Self([a?, b?]))
    }

    /// Two of them, each with a treasurer of its own.
    pub(super) async fn plans(&self) -> [Plan; 2] {
        let [a, b] = &self.0;
        let (of_a, of_b) = (a.stack.treasurer().await, b.stack.treasurer().await);
        [[a.side(of_a), b.side(of_b)], [a.side(&a.second), b.side(&b.second)]]
    }

    /// The processes, not running yet.
    pub(super) async fn coordinators(&self) -> Result<[CoordinatorProcess; 2], BackendError> {
        let [one, other] = self.plans().await;
        Ok([CoordinatorProcess::of(&one)?, CoordinatorProcess::of(&other)?])
    }

    /// Which accounts are what.
    pub(super) fn names(&self) -> [Names; 2] {
        self.0.each_ref().map(|cell| Names {
            cell: cell.name.to_owned(),
            clearing: cell.clearing.clone(),
            unclaimed: cell.unclaimed.clone(),
        })
    }

    /// Everything that both ledgers hold.
    pub(super) async fn records(&self) -> Result<[Record; 2], BackendError> {
        let [a, b] = &self.0;
        Ok([Record::read(&a.database).await?, Record::read(&b.database).await?])
    }

    /// Whether nothing is under way. Holds first: what they become is seen in the rows that are read after them.
    pub(super) async fn is_at_rest(&self, log: &Log) -> bool {
        let [a, b] = &self.0;
        if !(a.is_settled().await && b.is_settled().await) {
            return false;
        }
        self.records().await.is_ok_and(|records| judge(&records, &self.names(), log).in_flight == 0)
    }

    /// Waits until nothing is under way any more.
    pub(super) async fn come_to_rest(&self, log: &Log) -> Result<(), BackendError> {
        for cell in &self.0 {
            cell.way.set(Fault::None);
            cell.way.lose_answer(0);
        }
        let rests = try_until(REST, async || self.is_at_rest(log).await.then_some(())).await;
        let open = judge(&self.records().await?, &self.names(), log).open;
        let [a, b] = &self.0;
        let held = [a.is_settled().await, b.is_settled().await];
        assert!(rests.is_some(), "after {REST:?} something is under way: {open:?}; holds are settled: {held:?}");
        assert_eq!(a.held().await + b.held().await, 0, "no payer's money is held when nothing is under way");
        Ok(())
    }

    /// A second treasurer stops being one in cell b, while their coordinator goes on.
    pub(super) async fn demote_the_second(&self) {
        let [_, b] = &self.0;
        let path = format!("/api/v1/users/{}/roles", b.second.id);
        let administrator = b.stack.administrator().await;
        let set = administrator.client.call(reqwest::Method::PUT, &path).key(&fresh_key());
        let set = set.json(json!({"roles": ["user"]})).send().await;
        assert!(set.status < 300, "{set}");
    }

    /// Ends everything.
    pub(super) async fn fold(self) -> Result<(), BackendError> {
        for Cell { stack, accounts, .. } in self.0 {
            drop(accounts);
            stack.halt(GRACE).await.clear().await?;
        }
        Ok(())
    }
}
