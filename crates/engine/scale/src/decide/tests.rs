use lambent_domain::fault::ThrottleReason::{
    ConcurrentInvocationLimitExceeded, FunctionInvocationRateLimitExceeded,
};

use super::*;
use crate::observed::Idle;
use crate::worth::Worth;

const LIMITS: Limits = Limits {
    concurrent_starts: 4,
    keep_alive_ms: 60_000,
    freeze_after_ms: 500,
    memory_queue: 2,
    memory_wait_ms: 1_000,
};
const NOW: u64 = 100_000;

fn observed(budget_mb: u64) -> Observed {
    let memory = Memory { used_mb: 0, budget_mb, host_mb: 1_000_000 };
    Observed { memory, rates: vec![u64::MAX; 3], ..Observed::default() }
}

fn wanting(function: usize, waiting_since_ms: &[u64], environments: usize) -> Wanting {
    Wanting {
        waiting_since_ms: waiting_since_ms.to_vec(),
        under_way: 0,
        provisioning: 0,
        unprovisioned: 0,
        environments,
        charge_mb: 10,
        not_before_ms: 0,
        function,
    }
}

fn idle(uses: u32, charge_mb: u64) -> Idle {
    let worth = Worth { floor: 0.0, uses, start_ms: 100.0 };
    Idle { since_ms: NOW, frozen: false, spare: true, charge_mb, worth }
}

fn starts(decision: &Decision) -> Vec<(usize, StartFor)> {
    decision.start.iter().map(|start| (start.wanting, start.what_for)).collect()
}

#[test]
fn the_fewest_environments_first_then_the_longest_wait() {
    let mut now = observed(1_000);
    now.wanting = vec![wanting(0, &[1, 2, 3, 4, 5], 9), wanting(1, &[50], 0), wanting(2, &[40], 0)];
    let decision = decide(NOW, &LIMITS, &now);
    let request = StartFor::Request;
    assert_eq!(starts(&decision), [(2, request(0)), (1, request(0)), (0, request(0)), (0, request(1))]);
    now.wanting[1].under_way = 1;
    now.wanting[2].waiting_since_ms.clear();
    assert_eq!(decide(NOW, &LIMITS, &now).start.len(), 3, "one of four turns is left for others");
    now.starting = 4;
    assert_eq!(decide(NOW, &LIMITS, &now), Decision::default(), "no room for another start: all wait");
}

#[test]
fn what_is_under_way_serves_those_who_came_first() {
    let mut now = observed(1_000);
    now.wanting = vec![Wanting { under_way: 1, unprovisioned: 1, ..wanting(0, &[1, 2], 2) }];
    let decision = decide(NOW, &LIMITS, &now);
    assert_eq!(starts(&decision), [(0, StartFor::Request(1)), (0, StartFor::Provisioned)]);
}

#[test]
fn idle_environments_make_room_the_least_worth_first_and_no_more_than_needed() {
    let mut now = observed(100);
    now.memory.used_mb = 100;
    now.idle = vec![idle(9, 20), idle(1, 20), Idle { spare: false, ..idle(1, 20) }, idle(5, 20), idle(2, 20)];
    now.wanting = vec![wanting(0, &[1, 2, 3], 0)];
    let decision = decide(NOW, &LIMITS, &now);
    assert_eq!((decision.evict.as_slice(), decision.start.len()), ([1, 4].as_slice(), 3));
    assert_eq!(decision.floor, Some(10.0));
    assert!(decision.refuse.is_empty());
}

#[test]
fn without_room_requests_wait_in_a_bounded_queue_for_a_bounded_time() {
    let mut now = observed(100);
    now.memory.used_mb = 95;
    now.idle = vec![idle(1, 4)];
    now.wanting = vec![wanting(0, &[NOW - 2, NOW - 1], 1), wanting(1, &[NOW - 1_000, NOW - 999, NOW], 0)];
    let decision = decide(NOW, &LIMITS, &now);
    assert!(decision.evict.is_empty(), "the idle one would not be enough");
    let mut refused: Vec<_> =
        decision.refuse.iter().map(|one| (one.wanting, one.request, one.reason)).collect();
    refused.sort_by_key(|(wanting, request, _)| (*wanting, *request));
    let reason = ConcurrentInvocationLimitExceeded;
    assert_eq!(refused, [(0, 1, reason), (1, 0, reason), (1, 2, reason)]);
    assert_eq!(decision.again_ms, Some(NOW + 1));
    now.memory.used_mb = 90;
    assert_eq!(decide(NOW, &LIMITS, &now).start.len(), 1);
}

#[test]
fn nobody_overtakes_who_waits_for_memory() {
    let mut now = observed(100);
    now.memory.used_mb = 60;
    now.wanting = vec![wanting(0, &[2], 1), Wanting { charge_mb: 50, ..wanting(1, &[NOW], 0) }];
    assert!(decide(NOW, &LIMITS, &now).start.is_empty());
}

#[test]
fn what_is_larger_than_the_budget_runs_by_itself() {
    let mut now = observed(100);
    now.wanting = vec![Wanting { charge_mb: 500, ..wanting(0, &[NOW, NOW], 0) }];
    assert_eq!(decide(NOW, &LIMITS, &now).start.len(), 1);
    now.memory.used_mb = 1;
    assert!(decide(NOW, &LIMITS, &now).start.is_empty());
}

#[test]
fn under_pressure_idle_environments_go_until_the_host_can_carry_the_rest() {
    let mut now = observed(1_000);
    now.memory = Memory { used_mb: 300, budget_mb: 1_000, host_mb: 250 };
    now.idle = vec![idle(3, 30), idle(1, 30), idle(2, 30)];
    assert_eq!(decide(NOW, &LIMITS, &now).evict, [1, 2]);
}

#[test]
fn beyond_the_scaling_rate_the_latest_are_refused_at_once() {
    let mut now = observed(1_000);
    now.rates = vec![2];
    now.wanting = vec![Wanting { under_way: 1, ..wanting(0, &[1, 2, 3, 4, 5], 1) }, wanting(0, &[6], 0)];
    let decision = decide(NOW, &LIMITS, &now);
    let refused: Vec<_> = decision.refuse.iter().map(|one| (one.wanting, one.request, one.reason)).collect();
    let reason = FunctionInvocationRateLimitExceeded;
    assert_eq!(refused, [(0, 4, reason), (0, 3, reason), (1, 0, reason)]);
    assert_eq!(starts(&decision), [(0, StartFor::Request(1)), (0, StartFor::Request(2))]);
}

#[test]
fn a_crash_loop_waits_and_does_not_hold_up_others() {
    let mut now = observed(1_000);
    now.wanting = vec![Wanting { not_before_ms: NOW + 70, ..wanting(0, &[1], 0) }, wanting(1, &[NOW], 5)];
    let decision = decide(NOW, &LIMITS, &now);
    assert_eq!((starts(&decision), decision.again_ms), (vec![(1, StartFor::Request(0))], Some(NOW + 70)));
}

#[test]
fn idle_ones_are_frozen_then_end_unless_they_are_provisioned() {
    let mut now = observed(1_000);
    let at = |since_ms: u64, frozen: bool, spare: bool| Idle { since_ms, frozen, spare, ..idle(1, 10) };
    now.idle = vec![
        at(NOW - 60_000, true, true),
        at(NOW - 60_000, true, false),
        at(NOW - 500, false, true),
        at(NOW - 499, false, true),
    ];
    let decision = decide(NOW, &LIMITS, &now);
    assert_eq!((decision.evict.as_slice(), decision.freeze.as_slice()), ([0].as_slice(), [2].as_slice()));
    assert_eq!((decision.again_ms, decision.floor), (Some(NOW + 1), None));
}
