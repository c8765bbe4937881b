//! What is known of one kind of row, with an undo log: the rows as the database holds them, and on top of them what was
//! decided since.

use std::collections::HashMap;
use std::hash::Hash;

/// What a table says of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known<T> {
    /// It is this.
    Here(T),
    /// There is none: somebody looked.
    Absent,
    /// Nobody has looked yet. Never to be taken for absent.
    Unknown,
}

impl<T> Known<T> {
    /// The row or its absence; `need` when nobody has looked.
    pub fn or<N>(self, need: N) -> Result<Option<T>, N> {
        match self {
            Self::Here(row) => Ok(Some(row)),
            Self::Absent => Ok(None),
            Self::Unknown => Err(need),
        }
    }
}

/// Rows by their key.
#[derive(Clone, Debug)]
pub struct Table<K, V> {
    rows: HashMap<K, Option<V>>,
    /// Keys in the order they were set, each with what was there before.
    log: Vec<(K, Option<V>)>,
    /// Keys that were learned to be absent: another process may have filled them by the next batch.
    absent: Vec<K>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { rows: HashMap::new(), log: Vec::new(), absent: Vec::new() }
    }
}

impl<K: Clone + Eq + Hash + Ord, V: Clone> Table<K, V> {
    /// The row under `key`, if that is known.
    pub fn get(&self, key: &K) -> Known<&V> {
        match self.rows.get(key) {
            Some(Some(row)) => Known::Here(row),
            Some(None) => Known::Absent,
            None => Known::Unknown,
        }
    }

    /// The row under `key`, if there is one.
    pub fn row(&self, key: &K) -> Option<&V> {
        self.rows.get(key).and_then(Option::as_ref)
    }

    /// Takes over what the database holds.
    pub fn learn(&mut self, key: K, row: Option<V>) {
        if row.is_none() {
            self.absent.push(key.clone());
        }
        self.rows.insert(key, row);
    }

    /// Sets a row to what was decided.
    pub fn set(&mut self, key: K, row: V) {
        let before = self.rows.insert(key.clone(), Some(row)).flatten();
        self.log.push((key, before));
    }

    /// Forgets a row, so that it is read again before it is used.
    pub fn forget(&mut self, key: &K) {
        self.rows.remove(key);
    }

    /// Forgets every row that was set.
    pub fn forget_changed(&mut self) {
        for (key, _) in self.log.drain(..) {
            self.rows.remove(&key);
        }
    }

    /// The keys that were set and not undone, in their order, each with the row before the first time.
    pub fn changed(&self) -> Vec<(K, Option<&V>)> {
        let mut changed: Vec<_> = self.log.iter().map(|(key, before)| (key.clone(), before.as_ref())).collect();
        // Stable: the first of a key's entries stays.
        changed.sort_by(|(one, _), (other, _)| one.cmp(other));
        changed.dedup_by(|(one, _), (other, _)| one == other);
        changed
    }

    /// How far the log is.
    pub fn mark(&self) -> usize {
        self.log.len()
    }

    /// Takes back everything that was set since `mark`.
    pub fn undo_to(&mut self, mark: usize) {
        for (key, before) in self.log.drain(mark.min(self.log.len())..).rev() {
            self.rows.insert(key, before);
        }
    }

    /// What was decided is what the database holds now. Absence counts for one batch only.
    pub fn settle(&mut self) {
        self.log.clear();
        for key in self.absent.drain(..) {
            if matches!(self.rows.get(&key), Some(None)) {
                self.rows.remove(&key);
            }
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.log.clear();
        self.absent.clear();
    }

    /// How many rows are known.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undoing_restores_to_the_bit() {
        let mut table = Table::default();
        table.learn(1, Some("one"));
        table.learn(2, None);
        table.set(1, "changed");
        let mark = table.mark();
        let before = table.clone();
        table.set(1, "again");
        table.set(2, "made");
        assert_eq!(table.changed(), [(1, Some(&"one")), (2, None)]);
        table.undo_to(mark);
        assert_eq!((&table.rows, &table.log, &table.absent), (&before.rows, &before.log, &before.absent));
        assert_eq!(table.changed(), [(1, Some(&"one"))]);
        table.undo_to(0);
        assert_eq!((table.get(&1), table.get(&2), table.get(&3)), (Known::Here(&"one"), Known::Absent, Known::Unknown));
    }

    #[test]
    fn absence_is_believed_for_one_batch() {
        let mut table = Table::default();
        table.learn(1, None);
        table.learn(2, None);
        table.set(2, "made");
        table.settle();
        assert_eq!((table.get(&1), table.get(&2)), (Known::Unknown, Known::Here(&"made")));
        assert!(table.changed().is_empty());
    }
}
