//! What [`lambent_scale`] decides, done with real environments: memory, rates, crash loops, bursts.

use std::time::Duration;

use lambent_domain::Fault;
use lambent_domain::fault::ThrottleReason;
use lambent_ports::sandbox::{HostMemory, ProcessorTime};

use crate::function::{function, provisioned};
use crate::world::{World, in_world, in_world_with, pass, settle};

const MB: u64 = 1 << 20;

fn refused_for(reason: ThrottleReason) -> Fault {
    Fault::TooManyRequests(reason)
}

/// One idle environment of a function, used this often.
async fn idle(world: &World, name: &str, uses: usize) {
    let (call, runtime) = world.cold(name).await;
    runtime.answer();
    call.answered().await;
    for _ in 1..uses {
        let call = world.invoke(name);
        settle().await;
        runtime.answer();
        call.answered().await;
    }
    settle().await;
}

/// Every runtime that has nothing to do asks for something, and what it gets is answered.
async fn poll_and_answer(world: &World) {
    for runtime in world.runtimes() {
        if runtime.running().is_none() {
            let _ = runtime.poll();
        }
    }
    settle().await;
    for runtime in world.runtimes().into_iter().filter(|runtime| runtime.running().is_some()) {
        runtime.answer();
    }
    settle().await;
}

#[tokio::test(start_paused = true)]
async fn on_a_full_host_the_idle_environment_that_is_used_least_makes_room() {
    // Two of 40, and 128 for one that has not been seen: that is too much.
    in_world_with(
        |options| options.memory_mb = Some(200),
        async |world| {
            world.host.set_held_memory(40 * MB);
            world.put(&function("g", 2));
            world.put(&function("h", 3));
            idle(world, "f", 1).await;
            idle(world, "g", 3).await;
            world.host.set_held_memory(20 * MB);
            let gone = world.runtime(0);
            idle(world, "h", 1).await;
            let left = world.host.sandboxes();
            assert!(left.iter().all(|sandbox| sandbox.spec.id != gone.id), "f had been used once");
            assert_eq!((left.len(), world.metrics.snapshot().evictions), (2, 1));
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn without_memory_a_few_requests_wait_and_the_rest_get_429() {
    in_world_with(
        |options| options.memory_mb = Some(32),
        async |world| {
            let (first, one) = world.cold("f").await;
            let waiting = [world.invoke("f"), world.invoke("f")];
            settle().await;
            let refused = world.invoke("f").refused().await;
            assert_eq!(refused, refused_for(ThrottleReason::ConcurrentInvocationLimitExceeded));
            assert_eq!((world.host.created(), world.shard.running()), (1, 3));
            one.answer();
            first.answered().await;
            for call in waiting {
                settle().await;
                one.answer();
                call.answered().await;
            }
            assert_eq!((world.host.created(), world.metrics.snapshot().throttles), (1, 1));
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_environment_that_becomes_idle_makes_room_for_who_waits() {
    in_world_with(
        |options| options.memory_mb = Some(32),
        async |world| {
            world.put(&function("g", 2));
            let (first, one) = world.cold("f").await;
            let other = world.invoke("g");
            pass(Duration::from_secs(1)).await;
            assert_eq!((world.host.created(), other.task.is_finished()), (1, false));
            one.answer();
            first.answered().await;
            settle().await;
            let two = world.runtime(1);
            two.poll().unwrap();
            settle().await;
            two.answer();
            other.answered().await;
            assert_eq!(world.sandboxes(), 1);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_for_memory_gets_429() {
    in_world(10, async |world| {
        idle(world, "f", 1).await;
        world.host.set_memory(HostMemory { total_bytes: 4_000 * MB, available_bytes: 0 });
        pass(Duration::from_millis(250)).await;
        assert_eq!(world.sandboxes(), 0);
        let call = world.invoke("f");
        pass(Duration::from_millis(9_900)).await;
        assert!(!call.task.is_finished());
        pass(Duration::from_millis(100)).await;
        let refused = call.refused().await;
        assert_eq!(refused, refused_for(ThrottleReason::ConcurrentInvocationLimitExceeded));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn when_the_host_runs_short_idle_environments_go() {
    in_world(10, async |world| {
        world.host.set_held_memory(40 * MB);
        let (a, one) = world.cold("f").await;
        let (b, two) = world.cold("f").await;
        one.answer();
        two.answer();
        a.answered().await;
        b.answered().await;
        pass(Duration::from_millis(250)).await;
        assert_eq!(world.sandboxes(), 2);
        let host = HostMemory { total_bytes: 4_000 * MB, available_bytes: 150 * MB };
        world.host.set_memory(host);
        for _ in 0..2 {
            pass(Duration::from_millis(250)).await;
        }
        assert_eq!(world.sandboxes(), 0, "fifty less than the reserve: both have to go");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn beyond_the_scaling_rate_is_429_until_it_is_refilled() {
    in_world_with(
        |options| options.scaling_rate = 3,
        async |world| {
            world.put(&function("g", 2));
            let calls: Vec<_> = (0..3).map(|_| world.invoke("f")).collect();
            settle().await;
            let refused = world.invoke("f").refused().await;
            assert_eq!(refused, refused_for(ThrottleReason::FunctionInvocationRateLimitExceeded));
            let (other, runtime) = world.cold("g").await;
            runtime.answer();
            other.answered().await;
            poll_and_answer(world).await;
            for call in calls {
                call.answered().await;
            }
            // What is warm has no such limit.
            let warm: Vec<_> = (0..3).map(|_| world.invoke("f")).collect();
            settle().await;
            assert!(world.invoke("f").refused().await == refused);
            poll_and_answer(world).await;
            for call in warm {
                call.answered().await;
            }
            pass(Duration::from_millis(3_334)).await;
            let after: Vec<_> = (0..4).map(|_| world.invoke("f")).collect();
            settle().await;
            assert_eq!(world.host.created(), 5);
            poll_and_answer(world).await;
            for call in after {
                call.answered().await;
            }
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_is_slowed_down_and_ends_with_an_answer() {
    in_world(10, async |world| {
        let call = world.invoke("f");
        settle().await;
        let one = world.runtime(0);
        one.fail_init();
        settle().await;
        one.fail_init();
        call.failed().await;
        for _ in 0..2 {
            let call = world.invoke("f");
            settle().await;
            one.fail_init();
            call.failed().await;
        }
        let fifth = world.invoke("f");
        settle().await;
        one.fail_init();
        fifth.failed().await;
        let slowed = world.invoke("f");
        settle().await;
        assert_eq!(world.host.sandboxes()[0].starts, 5, "it is not started at once any more");
        pass(Duration::from_millis(100)).await;
        assert_eq!(world.host.sandboxes()[0].starts, 6);
        one.poll().unwrap();
        settle().await;
        one.answer();
        slowed.answered().await;
        world.host.run_out_of_memory(&one.id);
        settle().await;
        let next = world.invoke("f");
        settle().await;
        one.poll().expect("after an answer everything is forgiven");
        settle().await;
        one.answer();
        next.answered().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_sandbox_that_is_lost_is_replaced() {
    in_world(10, async |world| {
        idle(world, "f", 1).await;
        world.host.lose(&world.runtime(0).id);
        settle().await;
        let (idle_one_lost, two) = world.cold("f").await;
        world.host.lose(&two.id);
        idle_one_lost.failed().await;
        settle().await;
        let (busy_one_lost, three) = world.cold("f").await;
        three.answer();
        busy_one_lost.answered().await;
        assert_eq!((world.host.created(), world.sandboxes()), (3, 1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_provisioned_is_replaced_before_the_next_request_comes() {
    in_world(10, async |world| {
        world.put(&provisioned("f", 1, 2));
        settle().await;
        let initialised = async |index: usize| {
            world.runtime(index).poll().unwrap();
            settle().await;
        };
        initialised(0).await;
        initialised(1).await;
        world.host.run_out_of_memory(&world.runtime(0).id);
        settle().await;
        assert_eq!((world.host.created(), world.sandboxes()), (3, 2), "one that was idle");
        initialised(2).await;
        let call = world.invoke("f");
        settle().await;
        let busy = world.runtimes().into_iter().find(|runtime| runtime.running().is_some()).unwrap();
        world.host.run_out_of_memory(&busy.id);
        call.failed().await;
        settle().await;
        assert_eq!((world.host.created(), world.sandboxes()), (4, 2), "one that was busy");
        initialised(3).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_burst_from_nothing_to_a_thousand_loses_nothing_and_leaves_others_their_turn() {
    in_world_with(
        |options| options.account_concurrency = 2_000,
        async |world| {
            world.put(&function("g", 2));
            let calls: Vec<_> = (0..1_000).map(|_| world.invoke("f")).collect();
            settle().await;
            let other = world.invoke("g");
            settle().await;
            assert_eq!(world.host.created(), 4, "the other one's is the next");
            let mut polled = 0;
            while polled < world.runtimes().len() {
                for runtime in &world.runtimes()[polled..] {
                    runtime.poll().unwrap();
                    polled += 1;
                }
                settle().await;
            }
            assert_eq!((world.host.created(), world.shard.running()), (1_001, 1_001));
            for runtime in world.runtimes() {
                runtime.answer();
            }
            other.answered().await;
            for call in calls {
                call.answered().await;
            }
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn inits_that_wait_do_not_keep_others_waiting_while_processors_are_idle() {
    in_world_with(
        |options| options.starts_may_grow = true,
        async |world| {
            let calls: Vec<_> = (0..24).map(|_| world.invoke("f")).collect();
            let mut created = Vec::new();
            for quarter in 0..5 {
                world.host.set_processor_time(ProcessorTime { idle: quarter * 90, total: quarter * 100 });
                pass(Duration::from_millis(250)).await;
                created.push(world.host.created());
            }
            // The first look has nothing to compare with.
            assert_eq!(created, [3, 3, 6, 12, 24]);
            for _ in 0..2 {
                poll_and_answer(world).await;
            }
            for call in calls {
                call.answered().await;
            }
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_update_in_the_middle_of_a_burst_fails_no_request() {
    in_world(50, async |world| {
        let calls: Vec<_> = (0..10).map(|_| world.invoke("f")).collect();
        settle().await;
        world.put(&function("f", 2));
        let more: Vec<_> = (0..10).map(|_| world.invoke("f")).collect();
        for _ in 0..40 {
            settle().await;
            for runtime in world.runtimes() {
                match runtime.running() {
                    Some(_) => runtime.answer(),
                    None => drop(runtime.poll()),
                }
            }
        }
        for call in calls.into_iter().chain(more) {
            call.answered().await;
        }
    })
    .await;
}
