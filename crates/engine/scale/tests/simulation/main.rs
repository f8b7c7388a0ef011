//! What [`lambent_scale::decide`] makes of the traffic that there is, in virtual time; what holds at every moment is
//! checked at every moment ([`world`]).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

mod world;

use lambent_domain::fault::ThrottleReason;
use lambent_scale::Limits;
use world::{End, Kind, QUICK, Settings, World};

const SETTINGS: Settings = Settings {
    limits: Limits {
        concurrent_starts: 8,
        keep_alive_ms: 600_000,
        freeze_after_ms: 500,
        memory_queue: 100,
        memory_wait_ms: 10_000,
    },
    account_concurrency: 1_000,
    scaling_rate: 1_000,
    budget_mb: 22_000,
};

/// SplitMix64: the same numbers for the same seed, on every machine.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

fn answered(ends: &[(usize, End)]) -> usize {
    ends.iter().filter(|(_, end)| matches!(end, End::Answered { .. })).count()
}

fn slowest(ends: &[(usize, End)], function: usize) -> u64 {
    let mine = ends.iter().filter(|(of, _)| *of == function);
    mine.map(|(_, end)| if let End::Answered { after_ms } = end { *after_ms } else { u64::MAX })
        .max()
        .unwrap()
}

#[test]
fn a_steady_stream_is_served_by_as_many_environments_as_run_at_a_time() {
    let mut world = World::new(SETTINGS, &[QUICK]);
    for request in 0..6_000 {
        world.arrives(request * 10, 0);
    }
    let ends = world.run();
    assert_eq!(answered(&ends), 6_000);
    // 100 a second that take 50 ms: five at a time, one more while the first start.
    assert!(world.started(0) <= 7, "{}", world.started(0));
}

#[test]
fn a_burst_from_nothing_to_a_thousand_fails_nobody() {
    let mut world = World::new(SETTINGS, &[Kind { run_ms: 60_000, ..QUICK }]);
    for _ in 0..1_000 {
        world.arrives(0, 0);
    }
    let ends = world.run();
    assert_eq!((answered(&ends), world.most_environments), (1_000, 1_000));
    // Six at a time, ten milliseconds each.
    assert!(slowest(&ends, 0) <= 60_000 + 1_000 * 10 / 6 + 20);
}

#[test]
fn many_rare_functions_share_what_memory_there_is_and_the_busy_one_keeps_its_environment() {
    let rare = 500;
    let mut kinds = vec![QUICK; rare + 1];
    kinds[rare].start_ms = 300;
    let mut world = World::new(Settings { budget_mb: 2_200, ..SETTINGS }, &kinds);
    let mut numbers = Numbers(1);
    for minute in 0..20 {
        for function in 0..rare {
            world.arrives(minute * 60_000 + numbers.below(60_000), function);
        }
        for second in 0..60 {
            world.arrives(minute * 60_000 + second * 1_000, rare);
        }
    }
    let ends = world.run();
    assert_eq!(answered(&ends), 20 * (rare + 60));
    assert!(world.evicted > 1_000, "a hundred of five hundred fit");
    assert_eq!(world.started(rare), 1);
}

#[test]
fn a_noisy_neighbour_takes_nobody_elses_turn() {
    let noisy = Kind { start_ms: 100, run_ms: 5_000, ..QUICK };
    let mut world = World::new(SETTINGS, &[noisy, QUICK, QUICK]);
    for _ in 0..200 {
        world.arrives(0, 0);
    }
    for request in 0..100 {
        world.arrives(500 + request * 20, 1);
    }
    world.arrives(1_000, 2);
    let ends = world.run();
    assert_eq!(answered(&ends), 301);
    assert!(slowest(&ends, 2) <= 60, "its start has a turn at once: {}", slowest(&ends, 2));
    assert!(slowest(&ends, 1) <= 70, "{}", slowest(&ends, 1));
}

#[test]
fn what_does_not_fit_waits_and_the_rest_is_told_to_come_again() {
    // Ten fit.
    let slow = Kind { run_ms: 4_000, held_mb: 100, ..QUICK };
    let mut world = World::new(Settings { budget_mb: 1_000, ..SETTINGS }, &[slow]);
    for request in 0..200 {
        world.arrives(request, 0);
    }
    let ends = world.run();
    let reason = ThrottleReason::ConcurrentInvocationLimitExceeded;
    let refused = ends.iter().filter(|(_, end)| *end == End::Refused(reason)).count();
    // Ten run, a hundred wait; of these the ones go on that have waited less than ten seconds.
    assert_eq!(world.most_environments, 10);
    assert_eq!((answered(&ends), refused), (30, 170));
}

#[test]
fn any_schedule_keeps_every_limit_and_loses_nothing() {
    for seed in 0..300 {
        any_schedule(seed);
    }
}

fn any_schedule(seed: u64) {
    let mut numbers = Numbers(seed);
    let kinds: Vec<_> = (0..1 + numbers.below(6))
        .map(|_| Kind {
            start_ms: 1 + numbers.below(400),
            run_ms: numbers.below(3_000),
            held_mb: 1 + numbers.below(150),
            crashes: [0, 0, 1, 3][numbers.below(4) as usize],
            reserved: (numbers.below(4) == 0).then(|| numbers.below(5)),
            provisioned: numbers.below(3) as usize,
        })
        .collect();
    let settings = Settings {
        limits: Limits {
            concurrent_starts: 1 + numbers.below(8) as usize,
            keep_alive_ms: 1_000 + numbers.below(20_000),
            freeze_after_ms: numbers.below(1_000),
            memory_queue: numbers.below(6) as usize,
            memory_wait_ms: 1_000 + numbers.below(5_000),
        },
        account_concurrency: 1 + numbers.below(30),
        scaling_rate: numbers.below(3) as u32 * 10,
        budget_mb: 100 + numbers.below(1_000),
    };
    let mut world = World::new(settings, &kinds);
    let mut at_ms = 0;
    for request in 0..200 {
        // Now and then nothing happens for a while.
        at_ms += if numbers.below(10) == 0 { numbers.below(5_000) } else { numbers.below(40) };
        world.arrives(at_ms, numbers.below(kinds.len() as u64) as usize);
        match numbers.below(20) {
            0 => world.hangs_up(at_ms + numbers.below(200), request),
            1 => world.host_has(at_ms, numbers.below(1_500)),
            _ => {}
        }
    }
    world.run();
}
