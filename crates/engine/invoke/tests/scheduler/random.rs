//! Anything in any order: at the end every count is where it began (see [`in_world`]), and every caller has its own answer.

use std::time::Duration;

use lambent_domain::Fault;
use lambent_invoke::Options;

use crate::function::function;
use crate::world::{Call, World, in_world, in_world_with, pass, settle};

const STEPS: usize = 300;
const CONCURRENCY: u32 = 6;

/// SplitMix64: the same numbers for the same seed, on every machine.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}

#[tokio::test(start_paused = true)]
async fn any_schedule_ends_where_it_began() {
    for seed in 0..40 {
        in_world(CONCURRENCY, async |world| schedule(world, seed).await).await;
    }
}

#[tokio::test(start_paused = true)]
async fn so_does_any_schedule_on_a_full_host() {
    for seed in 100..140 {
        let set = |options: &mut Options| {
            options.account_concurrency = CONCURRENCY;
            // Each is charged 32 MiB once it has been seen.
            options.memory_mb = Some(100);
            options.scaling_rate = 40;
        };
        in_world_with(set, async |world| schedule(world, seed).await).await;
    }
}

async fn schedule(world: &World, seed: u64) {
    let mut numbers = Numbers(seed);
    let mut calls = Vec::new();
    let mut deployment = 2;
    world.put(&function("g", deployment));
    for _ in 0..STEPS {
        match numbers.below(12) {
            0..=3 => calls.push(world.invoke(["f", "g"][numbers.below(2)])),
            4..=7 => do_something(world, &mut numbers),
            8 => pass(Duration::from_millis(numbers.below(2_000) as u64)).await,
            9 => {
                deployment += 1;
                world.put(&function(["f", "g"][numbers.below(2)], deployment));
            }
            10 if !calls.is_empty() => {
                let index = numbers.below(calls.len());
                calls.swap_remove(index).task.abort();
            }
            _ => settle().await,
        }
        assert!(world.shard.running() <= CONCURRENCY, "seed {seed}");
    }
    // From here on every runtime behaves.
    for _ in 0..100 {
        // Who waits for memory, or for a crash loop to be over, waits for seconds.
        pass(Duration::from_millis(250)).await;
        for runtime in world.runtimes() {
            match runtime.running() {
                Some(_) => runtime.answer(),
                None => drop(runtime.poll()),
            }
        }
    }
    pass(Duration::from_secs(20)).await;
    for call in calls {
        check(call, seed).await;
    }
}

/// Some runtime does something that runtimes do.
fn do_something(world: &World, numbers: &mut Numbers) {
    let runtimes = world.runtimes();
    if runtimes.is_empty() {
        return;
    }
    let runtime = &runtimes[numbers.below(runtimes.len())];
    match (runtime.running(), numbers.below(12)) {
        (_, 0..2) => world.host.run_out_of_memory(&runtime.id),
        (_, 6) => world.host.lose(&runtime.id),
        (Some(_), 2) => runtime.fail(),
        (Some(_), 3) => runtime.answer_only(),
        (Some(_), 4 | 5) => {}
        (Some(_), _) => runtime.answer(),
        // Refused when its process has gone.
        (None, _) => drop(runtime.poll()),
    }
}

async fn check(call: Call, seed: u64) {
    assert!(call.task.is_finished(), "seed {seed}: {:?} was never answered", call.payload);
    match call.task.await.unwrap() {
        Ok(reply) if reply.failed => {}
        Ok(reply) => assert_eq!(reply.payload, call.payload, "seed {seed}"),
        Err(Fault::TooManyRequests(_)) => {}
        Err(fault) => panic!("seed {seed}: {fault:?}"),
    }
}
