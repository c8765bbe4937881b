//! Which users have changed without the cache having been told.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use shared::domain::UserId;
use tokio::sync::Notify;

/// Users that are owed at once, by changes that are under way or could not be told. Beyond that, everybody is owed.
const MOST: usize = 16_384;

/// The debts. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Owed(Arc<Books>);

#[derive(Debug, Default)]
struct Books {
    open: Mutex<Open>,
    /// Rung when something is left unpaid.
    left: Notify,
}

#[derive(Debug, Default)]
struct Open {
    /// How many debts name each user.
    users: HashMap<UserId, usize>,
    /// Debts without an end: each stands for everybody.
    everybody: usize,
    /// Of debts that nobody works at any more.
    unpaid: Vec<Names>,
}

/// Whom a debt is for; empty: everybody.
type Names = Vec<UserId>;

/// Some users who have changed, or are about to. Dropped without having been [`Debt::paid`], it is left to whoever pays
/// what is [`Owed::unpaid`]: its maker may have been cut off between commit and purge.
#[derive(Debug)]
#[must_use]
pub struct Debt {
    users: Names,
    books: Arc<Books>,
    paid: bool,
}

impl Owed {
    /// Whether a user may have changed since the cache was told of them.
    pub fn has(&self, user: UserId) -> bool {
        let open = self.0.open.lock();
        open.everybody > 0 || open.users.contains_key(&user)
    }

    pub fn owe(&self, mut users: Vec<UserId>) -> Debt {
        users.sort_unstable();
        users.dedup();
        self.0.open.lock().add(&mut users);
        Debt { users, books: Arc::clone(&self.0), paid: false }
    }

    /// Everything that was left unpaid, once there is some, as one debt.
    pub async fn unpaid(&self) -> Debt {
        loop {
            if let Some(debt) = self.take() {
                return debt;
            }
            self.0.left.notified().await;
        }
    }

    fn take(&self) -> Option<Debt> {
        let mut open = self.0.open.lock();
        let left = std::mem::take(&mut open.unpaid);
        if left.is_empty() {
            return None;
        }
        let everybody = left.iter().any(Vec::is_empty);
        let mut users: Names = if everybody { Vec::new() } else { left.iter().flatten().copied().collect() };
        users.sort_unstable();
        users.dedup();
        for old in &left {
            open.remove(old);
        }
        open.add(&mut users);
        Some(Debt { users, books: Arc::clone(&self.0), paid: false })
    }
}

impl Open {
    fn add(&mut self, users: &mut Names) {
        if self.users.len() + users.len() > MOST {
            users.clear();
        }
        for user in users.iter() {
            *self.users.entry(*user).or_default() += 1;
        }
        if users.is_empty() {
            self.everybody += 1;
        }
    }

    fn remove(&mut self, users: &[UserId]) {
        for user in users {
            if let Some(count) = self.users.get_mut(user) {
                *count -= 1;
                if *count == 0 {
                    self.users.remove(user);
                }
            }
        }
        if users.is_empty() {
            self.everybody -= 1;
        }
    }
}

impl Debt {
    /// Whom it is for; empty: everybody.
    pub(super) fn users(&self) -> &[UserId] {
        &self.users
    }

    /// The cache has been told.
    pub(super) fn paid(mut self) {
        self.paid = true;
    }
}

impl Drop for Debt {
    fn drop(&mut self) {
        let mut open = self.books.open.lock();
        if self.paid {
            open.remove(&self.users);
        } else {
            open.unpaid.push(std::mem::take(&mut self.users));
            self.books.left.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::clock::Clock;

    use super::*;

    #[actix_web::test]
    async fn a_user_is_owed_until_every_debt_of_theirs_is_paid() {
        let clock = Clock::system();
        let (ada, bob) = (UserId::generate(&clock), UserId::generate(&clock));
        let owed = Owed::default();
        let (first, second) = (owed.owe(vec![ada, ada]), owed.owe(vec![ada, bob]));
        first.paid();
        assert!(owed.has(ada) && owed.has(bob), "somebody else still changes them");
        drop(second);
        assert!(owed.has(ada) && owed.has(bob), "whoever changed them was cut off");
        let unpaid = owed.unpaid().await;
        assert_eq!(unpaid.users().len(), 2);
        drop(unpaid);
        assert!(owed.has(ada), "and so was whoever paid");
        owed.unpaid().await.paid();
        assert!(!owed.has(ada) && !owed.has(bob));
    }

    #[actix_web::test]
    async fn more_than_can_be_kept_is_everybody() {
        let clock = Clock::system();
        let owed = Owed::default();
        for _ in 0..=MOST {
            drop(owed.owe(vec![UserId::generate(&clock)]));
        }
        assert!(owed.has(UserId::generate(&clock)));
        assert!(owed.0.open.lock().users.len() <= MOST);
        let unpaid = owed.unpaid().await;
        assert!(unpaid.users().is_empty());
        unpaid.paid();
        assert!(!owed.has(UserId::generate(&clock)));
    }
}
