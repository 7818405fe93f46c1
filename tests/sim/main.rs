//! The simulator: the whole hub among scripted clients and servers, on a virtual clock, from one
//! seed (DESIGN 8).
//!
//!   cargo test --test sim                     some seeds
//!   SIM_SEEDS=1000 cargo test --release --test sim
//!   SIM_SEED=7 cargo test --test sim -- --nocapture        one seed, told step by step
//!
//! Every seed runs twice and must do the same both times. A run has three parts: chaos, in which
//! the faults of the seed strike and nothing unsafe may happen; calm, in which everything that was
//! begun must be done; and the end, after which nothing may be left.
//!
//! A sweep ends with a table of the rare branches of the core (`onemcp::base::mark`) and how many
//! seeds were there. One of [`marks::SEEDS_TO_MARK_MIN`] seeds or more fails if none was.
#![cfg(test)]

mod check;
mod clients;
mod faults;
mod marks;
mod model;
mod net;
mod plan;
mod remotes;
mod rng;
mod run;
mod secrets;
mod servers;
mod step;
mod wire;
mod wishes;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::marks::Tally;
use crate::run::{Report, run};

/// Seeds of an ordinary run.
const SEEDS: u64 = 20;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn attempt(seed: u64, verbose: bool) -> Result<Report, String> {
    let report = catch_unwind(AssertUnwindSafe(|| run(seed, verbose))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default()
    })?;
    match report.violations.first() {
        Some(violation) => Err(violation.clone()),
        None => Ok(report),
    }
}

/// Both runs of a seed.
fn twice(seed: u64) -> Result<Report, String> {
    let (first, second) = (attempt(seed, false)?, attempt(seed, false)?);
    if first.sum != second.sum {
        return Err("two runs differ".to_owned());
    }
    Ok(first)
}

#[test]
fn every_seed_is_safe_live_and_the_same_twice() {
    if let Some(seed) = number("SIM_SEED") {
        let result = attempt(seed, true);
        println!("{result:#?}");
        assert!(result.is_ok(), "seed {seed} fails");
        return;
    }
    let (from, count) = (
        number("SIM_FROM").unwrap_or(1),
        number("SIM_SEEDS").unwrap_or(SEEDS),
    );
    let mut failed = 0;
    let mut tally = Tally::default();
    for seed in from..from + count {
        let began = std::time::Instant::now();
        let result = twice(seed);
        if number("SIM_STATS").is_some() {
            println!(
                "seed {seed}: {:?} {:?}",
                began.elapsed(),
                result.as_ref().map(|r| &r.stats)
            );
        }
        tally.add(seed);
        if let Err(why) = result {
            failed += 1;
            let why: String = why.chars().take(1500).collect();
            println!("seed {seed}: {why}");
            println!("replay: SIM_SEED={seed} cargo test --test sim -- --nocapture");
        }
    }
    println!("{tally}");
    assert_eq!(failed, 0, "{failed} of {count} seeds fail");
    let missed = tally.missed();
    assert!(missed.is_empty(), "no seed reaches {missed:?}");
}
