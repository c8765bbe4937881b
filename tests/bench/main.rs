//! Performance side by side with peers, as ratios in one run. The method is in README.md beside this file.
#![expect(clippy::float_arithmetic, reason = "ratios and rates, never money")]

mod failure;
mod load;
mod procfs;
mod server;
mod upstream;

fn main() {}
