//! Which environment a request gets, and what becomes of both. Sandboxes are fakes, runtimes do what the test says, time
//! passes when the test says so.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests report by panicking")]

mod function;
mod random;
mod runtime;
mod scale;
mod world;

use std::time::Duration;

use lambent_domain::Fault;
use lambent_domain::fault::ThrottleReason;
use lambent_ports::runtime_api::Refused;

use function::{TIMEOUT_S, function, with_variable};
use world::{FREEZE_AFTER, KEEP_ALIVE, in_world, pass, settle};

const TIMEOUT: Duration = Duration::from_secs(TIMEOUT_S as u64);

#[tokio::test(start_paused = true)]
async fn the_most_recently_used_environment_goes_first() {
    in_world(10, async |world| {
        let (first, one) = world.cold("f").await;
        let (second, two) = world.cold("f").await;
        two.answer();
        one.answer();
        second.answered().await;
        first.answered().await;
        for _ in 0..3 {
            let call = world.invoke("f");
            settle().await;
            one.answer();
            call.answered().await;
        }
        assert_eq!((one.given.borrow().len(), two.given.borrow().len()), (4, 1));
        assert_eq!(world.host.created(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_waiting_process_is_taken_unless_something_of_the_functions_acts_early() {
    in_world(10, async |world| {
        let early = with_variable("early", 8, "EARLY_BIRD");
        world.put(&early);
        world.put(&with_variable("late", 9, "BIRD"));
        settle().await;
        assert_eq!(world.host.parked().len(), 1, "before anything is invoked");
        for (name, counts) in [("f", [1, 0]), ("early", [1, 1]), ("late", [2, 1])] {
            let (call, runtime) = world.cold(name).await;
            runtime.answer();
            call.answered().await;
            assert_eq!(world.starts(), counts, "{name}");
        }
        assert_eq!(world.why_not_parked(), [("variable", 1)]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_the_next_process_is_executed() {
    in_world(10, async |world| {
        let (call, runtime) = world.cold("f").await;
        world.host.run_out_of_memory(&runtime.id);
        call.failed().await;
        let next = world.invoke("f");
        settle().await;
        runtime.poll().unwrap();
        settle().await;
        runtime.answer();
        next.answered().await;
        assert_eq!((world.starts(), world.why_not_parked()), ([1, 1], vec![("restart", 1)]));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn as_many_environments_as_requests_and_one_request_each() {
    in_world(50, async |world| {
        let calls: Vec<_> = (0..20).map(|_| world.invoke("f")).collect();
        // Starts take turns; a runtime that polls makes room for the next.
        for index in 0..20 {
            settle().await;
            world.runtime(index).poll().unwrap();
        }
        settle().await;
        assert_eq!((world.host.created(), world.shard.running()), (20, 20));
        assert!(world.runtimes().iter().all(|runtime| runtime.given.borrow().len() == 1));
        for runtime in world.runtimes() {
            runtime.answer();
        }
        for call in calls {
            call.answered().await;
        }
        assert_eq!(world.shard.running(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn starts_at_the_same_time_are_bounded_and_one_function_leaves_a_turn() {
    in_world(50, async |world| {
        world.put(&function("g", 2));
        let mut calls: Vec<_> = (0..6).map(|_| world.invoke("f")).collect();
        settle().await;
        assert_eq!(world.host.created(), 3);
        calls.extend((0..2).map(|_| world.invoke("g")));
        settle().await;
        assert_eq!(world.host.created(), 4, "as many as the option says");
        for index in 0..8 {
            settle().await;
            world.runtime(index).poll().unwrap();
        }
        settle().await;
        for runtime in world.runtimes() {
            runtime.answer();
        }
        for call in calls {
            call.answered().await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_started_for_who_has_hung_up_before_its_turn() {
    in_world(50, async |world| {
        let mut calls: Vec<_> = (0..4).map(|_| world.invoke("f")).collect();
        settle().await;
        calls.pop().unwrap().task.abort();
        for runtime in world.runtimes() {
            runtime.poll().unwrap();
        }
        settle().await;
        for runtime in world.runtimes() {
            runtime.answer();
        }
        for call in calls {
            call.answered().await;
        }
        assert_eq!(world.host.created(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_waiting_request_takes_what_becomes_free_first() {
    in_world(10, async |world| {
        let (first, one) = world.cold("f").await;
        let second = world.invoke("f");
        settle().await;
        assert_eq!(world.host.created(), 2, "a start is under way for it");
        one.answer();
        first.answered().await;
        settle().await;
        assert_eq!(one.payload(), Some(second.payload.clone()), "the freed one is first");
        one.answer();
        second.answered().await;
        // The start was not for nothing: it is idle now, and the next to be used.
        let two = world.runtime(1);
        two.poll().unwrap();
        settle().await;
        let third = world.invoke("f");
        settle().await;
        two.answer();
        third.answered().await;
        assert_eq!(world.host.created(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn beyond_the_accounts_concurrency_is_429_and_permits_come_back() {
    in_world(1, async |world| {
        let full = async || {
            assert_eq!(world.shard.running(), 1);
            let refused = world.invoke("f").refused().await;
            let reason = ThrottleReason::ConcurrentInvocationLimitExceeded;
            assert_eq!(refused, Fault::TooManyRequests(reason));
        };
        let (call, one) = world.cold("f").await;
        full().await;
        one.answer();
        call.answered().await;
        assert_eq!(world.shard.running(), 0, "after a response");

        let call = world.invoke("f");
        settle().await;
        full().await;
        one.fail();
        assert_eq!(call.failed().await, "{}");
        assert_eq!(world.shard.running(), 0, "after an error");

        let call = world.invoke("f");
        settle().await;
        world.host.run_out_of_memory(&one.id);
        assert!(call.failed().await.contains("Runtime.OutOfMemory"));
        assert_eq!(world.shard.running(), 0, "after a crash");

        let call = world.invoke("f");
        settle().await;
        one.poll().unwrap();
        full().await;
        pass(TIMEOUT).await;
        assert!(call.failed().await.contains("Task timed out after 3.00 seconds"));
        assert_eq!(world.shard.running(), 0, "after a timeout");
        assert_eq!(world.metrics.snapshot().throttles, 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_function_runs_on_when_its_caller_hangs_up() {
    in_world(1, async |world| {
        let (call, one) = world.cold("f").await;
        call.task.abort();
        settle().await;
        assert_eq!(world.shard.running(), 1, "it is still running");
        one.answer();
        settle().await;
        assert_eq!(world.shard.running(), 0);

        // Its deadline holds, too.
        let call = world.invoke("f");
        settle().await;
        call.task.abort();
        pass(TIMEOUT).await;
        assert_eq!(world.shard.running(), 0);

        // Who hangs up while there is no environment yet has not begun to run.
        let call = world.invoke("g");
        assert!(matches!(call.refused().await, Fault::FunctionNotFound(_)));
        world.put(&function("g", 2));
        let call = world.invoke("g");
        settle().await;
        call.task.abort();
        settle().await;
        assert_eq!(world.shard.running(), 0);
        world.runtimes().pop().unwrap().poll().unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_update_retires_idle_environments_and_lets_running_ones_finish() {
    in_world(10, async |world| {
        let (idle, one) = world.cold("f").await;
        let (running, two) = world.cold("f").await;
        one.answer();
        idle.answered().await;
        world.put(&function("f", 2));
        settle().await;
        assert_eq!(world.sandboxes(), 1, "the idle one has gone");
        let (new, three) = world.cold("f").await;
        two.answer();
        running.answered().await;
        settle().await;
        assert_eq!(world.sandboxes(), 1, "the one of the old deployment has gone when it was done");
        three.answer();
        new.answered().await;
        assert_eq!(world.host.created(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_while_idle_is_not_seen_by_the_next_request() {
    in_world(10, async |world| {
        let (call, one) = world.cold("f").await;
        one.answer();
        call.answered().await;
        world.host.run_out_of_memory(&one.id);
        settle().await;
        let call = world.invoke("f");
        settle().await;
        one.poll().expect("it boots again, in the same sandbox");
        settle().await;
        one.answer();
        call.answered().await;
        assert_eq!((world.host.created(), world.host.sandboxes()[0].starts), (1, 2));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_response_after_the_timeout_is_given_to_nobody() {
    in_world(10, async |world| {
        let (call, one) = world.cold("f").await;
        let late = one.running().unwrap();
        pass(TIMEOUT).await;
        assert!(call.failed().await.contains("Sandbox.Timedout"));
        assert_eq!(one.respond(late), Err(Refused::UnknownRequestId));
        let next = world.invoke("f");
        settle().await;
        assert_eq!(one.respond(late), Err(Refused::UnknownRequestId));
        one.poll().unwrap();
        settle().await;
        assert_eq!(one.respond(late), Err(Refused::UnknownRequestId));
        one.answer();
        next.answered().await;
        assert_eq!(world.host.created(), 1, "sandbox and /tmp outlive a timeout");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_init_is_tried_again_within_the_request() {
    in_world(10, async |world| {
        let call = world.invoke("f");
        settle().await;
        let one = world.runtime(0);
        one.fail_init();
        settle().await;
        one.fail_init();
        assert_eq!(call.failed().await, "{}");
        let call = world.invoke("f");
        settle().await;
        one.poll().unwrap();
        settle().await;
        one.answer();
        call.answered().await;
        assert_eq!((world.host.created(), world.host.sandboxes()[0].starts), (1, 3));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_runtime_may_answer_now_and_ask_for_more_later() {
    in_world(10, async |world| {
        let (call, one) = world.cold("f").await;
        one.answer_only();
        call.answered().await;
        settle().await;
        let next = world.invoke("f");
        settle().await;
        one.poll().unwrap();
        settle().await;
        one.answer();
        next.answered().await;
        assert_eq!(one.given.borrow().len(), 2, "the same environment");

        // An update meanwhile: it has nothing to finish.
        let call = world.invoke("f");
        settle().await;
        let two = world.runtime(1);
        two.poll().unwrap();
        settle().await;
        one.answer_only();
        call.answered().await;
        world.put(&function("f", 2));
        settle().await;
        assert_eq!(world.sandboxes(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_does_not_come_back_is_replaced() {
    in_world(10, async |world| {
        let (call, one) = world.cold("f").await;
        one.answer_only();
        call.answered().await;
        pass(TIMEOUT).await;
        pass(Duration::from_millis(250)).await;
        let next = world.invoke("f");
        settle().await;
        assert_eq!(world.host.created(), 1);
        one.poll().unwrap();
        settle().await;
        one.answer();
        next.answered().await;
        assert_eq!(world.host.sandboxes()[0].starts, 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn idle_environments_are_frozen_then_let_go() {
    in_world(10, async |world| {
        let (call, one) = world.cold("f").await;
        one.answer();
        call.answered().await;
        pass(FREEZE_AFTER / 2).await;
        assert!(!world.host.sandboxes()[0].frozen);
        pass(FREEZE_AFTER).await;
        assert!(world.host.sandboxes()[0].frozen);
        let call = world.invoke("f");
        settle().await;
        assert!(!world.host.sandboxes()[0].frozen, "it thaws before it is given anything");
        one.answer();
        call.answered().await;
        pass(KEEP_ALIVE + Duration::from_secs(1)).await;
        assert_eq!(world.sandboxes(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_sandbox_that_can_not_be_made_is_an_error_for_one_request() {
    in_world(10, async |world| {
        world.host.refuse_to_create(Some("no more"));
        assert!(matches!(world.invoke("f").refused().await, Fault::Internal(_)));
        world.host.refuse_to_create(None);
        let (call, one) = world.cold("f").await;
        one.answer();
        call.answered().await;
        assert_eq!(world.metrics.snapshot().start_failures, 1);
    })
    .await;
}
