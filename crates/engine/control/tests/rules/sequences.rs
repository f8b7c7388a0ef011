//! Whatever one client does: each answer and everything that can be seen afterwards are what AWS's rules say, also after
//! restarts in between.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use lambent_kit::clock::TestClock;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use crate::play::Play;
use crate::script::{Step, Turn, turns};
use crate::world::{Counted, EPOCH_MS, Gate, World, directory};

/// Calls that were done and that were refused, by the kind of step.
type Tally = BTreeMap<String, (u32, u32)>;

/// Scripts of one run; `LAMBENT_SCRIPTS` asks for more.
const SCRIPTS: u32 = 200;

#[test]
fn whatever_a_client_does_is_answered_by_awss_rules() {
    let cases = std::env::var("LAMBENT_SCRIPTS").ok().and_then(|text| text.parse().ok()).unwrap_or(SCRIPTS);
    let config = Config { cases, max_shrink_iters: 400, failure_persistence: None, ..Config::default() };
    // The same scripts in every run of this many: a failure is one that can be looked at.
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[u8::try_from(cases % 251).unwrap_or(0); 32]);
    let tally = RefCell::new(BTreeMap::new());
    let outcome = TestRunner::new_with_rng(config, random)
        .run(&turns(), |turns| play(&turns, &tally).map_err(TestCaseError::fail));
    match outcome {
        Ok(()) => assert_all_kinds(&tally.into_inner()),
        Err(TestError::Fail(reason, turns)) => {
            let turns: Vec<String> = turns.iter().map(|turn| format!("{turn:?}")).collect();
            panic!("{reason}\nThe shortest script that was found:\n{}", turns.join("\n"));
        }
        Err(other) => panic!("{other}"),
    }
}

fn play(turns: &[Turn], tally: &RefCell<Tally>) -> Result<(), String> {
    let dir = directory();
    let clock = Arc::new(TestClock::at(EPOCH_MS));
    let random = Arc::new(Counted::default());
    let mut play = Play::default();
    let mut lives = turns.split_inclusive(|turn| matches!(turn.step, Step::Restart)).collect::<Vec<_>>();
    // One more, which only looks.
    lives.push(&[]);
    let last = lives.len() - 1;
    for (number, turns) in lives.into_iter().enumerate() {
        // Dropping it ends whatever goes on in the background, as a crash would.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (clock, random) = (Arc::clone(&clock), Arc::clone(&random) as _);
            let world = World::open(dir.path(), clock, random, Gate::new(false)).await;
            play.look_at_all(&world).await.map_err(|error| format!("life {number}: {error}"))?;
            for (at, turn) in turns.iter().enumerate() {
                play.turn(&world, turn)
                    .await
                    .map_err(|error| format!("life {number}, turn {at}, {turn:?}: {error}"))?;
            }
            if number + 1 >= last {
                play.settle(&world).await;
            }
            play.look_at_all(&world).await
        })?;
    }
    for (kind, (done, refused)) in play.tally.into_inner() {
        let mut tally = tally.borrow_mut();
        let (dones, refusals) = tally.entry(kind).or_default();
        (*dones, *refusals) = (*dones + done, *refusals + refused);
    }
    Ok(())
}

/// Scripts prove nothing of a call that is always refused, and no rule of one that never is.
fn assert_all_kinds(tally: &Tally) {
    let kinds = [
        "Create",
        "UpdateCode",
        "UpdateConfiguration",
        "Publish",
        "CreateAlias",
        "UpdateAlias",
        "DeleteAlias",
        "DeleteFunction",
        "DeleteQualified",
        "PutReserved",
        "DeleteReserved",
        "PutProvisioned",
        "DeleteProvisioned",
        "Tag",
        "Untag",
    ];
    for kind in kinds {
        let (done, refused) = tally.get(kind).copied().unwrap_or_default();
        assert!(done >= 5 && refused >= 5, "{kind}: {done} done, {refused} refused");
    }
}
