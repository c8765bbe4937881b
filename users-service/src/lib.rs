//! Users and sign-in: who somebody is, how they show it, and what they may do.

pub mod db;
