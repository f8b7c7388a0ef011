//! What reads bytes of strangers, each as a function that takes any bytes and panics when a promise is broken.
//!
//! The same functions serve libFuzzer (`fuzz_targets/`, nightly, `make fuzz`) and a plain `cargo test`, which runs the
//! stored corpus and a short run of seeded mutations of it. Whatever libFuzzer finds goes into `corpus/<target>/`.

pub mod cbor;
pub mod codecs;
pub mod event_pattern;
pub mod filter_pattern;
pub mod iam_policy;
pub mod metric_math;
pub mod mutate;
pub mod names;
pub mod package;
pub mod requests;
pub mod router;
pub mod runtime_api;
pub mod schedule_expression;
pub mod signatures;

/// A target: its name, which is that of its corpus, and what it does with bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Folder of its corpus.
    pub name: &'static str,
    /// Panics when a promise is broken.
    pub run: fn(&[u8]),
    /// Mutations that a test run tries: seconds for all targets together.
    pub mutations: u32,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "cbor", run: cbor::run, mutations: 10_000 },
    Target { name: "codecs", run: codecs::run, mutations: 4_000 },
    Target { name: "event_pattern", run: event_pattern::run, mutations: 6_000 },
    Target { name: "filter_pattern", run: filter_pattern::run, mutations: 6_000 },
    Target { name: "iam_policy", run: iam_policy::run, mutations: 6_000 },
    Target { name: "metric_math", run: metric_math::run, mutations: 6_000 },
    Target { name: "names", run: names::run, mutations: 10_000 },
    Target { name: "package", run: package::run, mutations: 1_500 },
    Target { name: "requests", run: requests::run, mutations: 6_000 },
    Target { name: "router", run: router::run, mutations: 6_000 },
    Target { name: "runtime_api", run: runtime_api::run, mutations: 6_000 },
    Target { name: "schedule_expression", run: schedule_expression::run, mutations: 3_000 },
    Target { name: "signatures", run: signatures::run, mutations: 6_000 },
];

/// Runs the target of that name.
///
/// # Panics
/// When there is none, and when `data` breaks a promise.
pub fn run(target: &str, data: &[u8]) {
    let found = TARGETS.iter().find(|known| known.name == target);
    (found.unwrap_or_else(|| panic!("no target is called {target}")).run)(data);
}
