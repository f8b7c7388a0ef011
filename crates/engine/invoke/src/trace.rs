//! `X-Amzn-Trace-Id` on its way through a function: `Root=1-…;Parent=…;Sampled=0`.

use std::cell::Cell;
use std::fmt::Write;

use lambent_domain::trace_header::{Lineage, field, place};
use lambent_domain::{Function, FunctionKey};

use crate::pool::Pool;
use crate::shard::Shard;

/// Of the requests of a second beyond the first (AWS documentation).
const SAMPLED_SHARE: f64 = 0.05;

/// What AWS samples of the requests that come without a decision: the first of each second and 5 % of the others. It
/// can't be set for functions. Counted by deployment: AWS does not say over what it counts.
#[derive(Debug, Default)]
pub(crate) struct Sampler {
    /// The last second that had its first request, plus one.
    counted: Cell<u64>,
}

impl Sampler {
    fn sample(&self, now_ms: u64, draw: impl FnOnce() -> f64) -> bool {
        let second = now_ms / 1_000 + 1;
        self.counted.replace(second) != second || draw() < SAMPLED_SHARE
    }
}

/// Makes the header that came with a request the one that the function gets: an open decision is made, and where the
/// function is traced it gets a segment of its own. Where it isn't, the caller's segment is passed on (`PassThrough`).
/// Written in place: this is on the way of every request.
pub(crate) fn pass_on(header: &mut String, shard: &Shard, pool: &Pool) {
    let active = pool.deployment.configuration.active_tracing;
    if field(header, "Sampled") == Some("?") {
        let sampled = active && pool.sampler.sample(shard.clock.now_ms(), || shard.draw());
        set(header, "Sampled", if sampled { "1" } else { "0" });
    }
    if active && is_sampled(header) {
        let segment: String = shard.random.bytes16()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        set(header, "Parent", &segment);
    }
}

/// Whether a request is one of a loop that the function's settings say is to be stopped.
pub(crate) fn is_loop(header: &str, function: &Function) -> bool {
    !function.allow_recursive_loop && Lineage::of(header).is_loop(&function.key)
}

/// Notes one more call of the function in the chain of requests.
pub(crate) fn call(header: &mut String, function: &FunctionKey) {
    let mut lineage = Lineage::of(header);
    lineage.call(function);
    match place(header, "Lineage") {
        Some(place) => header.replace_range(place, &lineage.to_string()),
        None => drop(write!(header, ";Lineage={lineage}")),
    }
}

pub(crate) fn is_sampled(header: &str) -> bool {
    field(header, "Sampled") == Some("1")
}

fn set(header: &mut String, name: &str, value: &str) {
    if let Some(place) = place(header, name) {
        header.replace_range(place, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_request_of_a_second_is_sampled_and_one_in_twenty_of_the_others() {
        let sampler = Sampler::default();
        assert!(sampler.sample(0, || 1.0), "the first of all");
        assert!(!sampler.sample(999, || 0.05));
        assert!(sampler.sample(999, || 0.049));
        assert!(sampler.sample(1_000, || 1.0), "a second later");
        assert!(!sampler.sample(1_001, || 1.0));
        let draws = (0..1_000).filter(|draw| sampler.sample(1_500, || f64::from(*draw) / 1_000.0)).count();
        assert_eq!(draws, 50);
    }

    #[test]
    fn fields_are_written_wherever_they_stand() {
        let mut header = "Self=1-2;Root=1-a-b; Parent=00;Sampled=?;Lineage=1:2:0".to_owned();
        set(&mut header, "Sampled", "1");
        set(&mut header, "Parent", "0123456789abcdef");
        set(&mut header, "Other", "x");
        assert_eq!(header, "Self=1-2;Root=1-a-b; Parent=0123456789abcdef;Sampled=1;Lineage=1:2:0");
        assert!(is_sampled(&header) && !is_sampled("Root=1-a-b;Sampled=10"));
    }
}
