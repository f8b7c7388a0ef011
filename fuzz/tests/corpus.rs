//! Every target on its corpus, and on a bounded, seeded run of mutations of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use lambent_fuzz::mutate::Mutator;
use lambent_fuzz::{TARGETS, Target};

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files: Vec<(PathBuf, Vec<u8>)> = std::fs::read_dir(&dir)
        .unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{target} has no corpus");
    files
}

/// Runs one input; a panic ends the test with the input in a form that can be stored.
fn run(target: &Target, what: &str, data: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(data))).is_err() {
        panic!("{} breaks on {what}: b\"{}\"", target.name, data.escape_ascii());
    }
}

fn check(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let files = corpus(name);
    for (path, data) in &files {
        run(target, &path.display().to_string(), data);
    }
    let small: Vec<Vec<u8>> =
        files.into_iter().map(|(_, data)| data).filter(|data| data.len() <= 64 * 1024).collect();
    // More of it, by hand: LAMBENT_FUZZ_MUTATIONS=1000000 LAMBENT_FUZZ_SEED=7 cargo test -p lambent-fuzz
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let mutations = number("LAMBENT_FUZZ_MUTATIONS").unwrap_or(u64::from(target.mutations));
    let mut mutator = Mutator::new(&small, number("LAMBENT_FUZZ_SEED").unwrap_or(0x5eed));
    for turn in 0..mutations {
        run(target, &format!("mutation {turn}"), &mutator.input());
    }
}

macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                check(stringify!($name));
            }
        )*

        #[test]
        fn every_target_is_tested_and_stands_in_fuzz_targets() {
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
            let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets");
            let manifest = std::fs::read_to_string(dir.join("Cargo.toml")).unwrap();
            for name in names {
                assert!(dir.join(format!("{name}.rs")).is_file(), "{name}");
                assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
            }
        }
    };
}

targets!(
    cbor,
    codecs,
    event_pattern,
    filter_pattern,
    iam_policy,
    metric_math,
    names,
    package,
    requests,
    router,
    runtime_api,
    schedule_expression,
    signatures,
);

#[test]
fn mutations_are_the_same_for_the_same_seed_and_different_for_another() {
    let corpus = vec![b"GET / HTTP/1.1\r\n\r\n".to_vec(), b"other".to_vec()];
    let inputs = |seed| {
        let mut mutator = Mutator::new(&corpus, seed);
        (0..100).map(|_| mutator.input()).collect::<Vec<_>>()
    };
    assert_eq!(inputs(1), inputs(1));
    assert_ne!(inputs(1), inputs(3));
}
