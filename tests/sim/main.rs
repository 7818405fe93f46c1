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
#![cfg(test)]

mod check;
mod clients;
mod faults;
mod model;
mod net;
mod plan;
mod rng;
mod run;
mod servers;
mod step;
mod wire;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::run::{Report, run};

/// Seeds of the sweep of `make sim` that are known to fail, with what they show. Each is a debt: a
/// finding whose cause is not mended yet, in the core or in the scripts. They are run and told like
/// all others, and whoever mends one takes its line away.
const OPEN: [(u64, &str); 4] = [
    (10, "a stream that is resumed is answered 204"),
    (
        279,
        "a server answers a call while its question about it is held: S3 gives it to who is left",
    ),
    (372, "a stream that is resumed is answered 204"),
    (
        972,
        "a server answers a call while its question about it is held: S3 gives it to who is left",
    ),
];

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
        let open = OPEN.iter().find(|(open, _)| *open == seed);
        if let (Err(_), Some((_, what))) = (&result, open) {
            println!("seed {seed} is open: {what}");
            continue;
        }
        if let Err(why) = result {
            failed += 1;
            let why: String = why.chars().take(1500).collect();
            println!("seed {seed}: {why}");
            println!("replay: SIM_SEED={seed} cargo test --test sim -- --nocapture");
        }
    }
    assert_eq!(failed, 0, "{failed} of {count} seeds fail");
}
