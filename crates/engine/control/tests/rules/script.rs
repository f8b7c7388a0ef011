//! What clients may do, at random.

use proptest::prelude::*;

/// Names that functions are made under.
pub const FUNCTIONS: [&str; 3] = ["a", "b-2", "c_3"];
/// Names that aliases are made under.
pub const ALIASES: [&str; 3] = ["blue", "green", "prod"];

/// One request, in terms of what there may be. `usize`s choose among names and packages.
#[derive(Clone, Debug)]
pub enum Step {
    Create { f: usize, package: Package, publish: bool, description: Option<u8>, tags: u8 },
    UpdateCode { f: usize, package: Package, publish: bool, dry_run: bool, revision: Revision },
    UpdateConfiguration { f: usize, setting: Setting, revision: Revision },
    Publish { f: usize, description: Option<u8>, sha: Sha, revision: Revision },
    CreateAlias { f: usize, alias: usize, version: Number, weights: Option<Weights>, description: Option<u8> },
    UpdateAlias { f: usize, alias: usize, change: AliasChange, revision: Revision },
    DeleteAlias { f: usize, alias: usize },
    DeleteFunction { f: usize },
    DeleteQualified { f: usize, qualifier: Qualifier },
    PutReserved { f: usize, count: i32, qualified: bool },
    DeleteReserved { f: usize },
    PutProvisioned { f: usize, qualifier: Qualifier, count: i32 },
    DeleteProvisioned { f: usize, qualifier: Qualifier },
    Tag { f: usize, from: u8, count: u8, qualified: bool },
    Untag { f: usize, from: u8, count: u8 },
    Get { f: usize, qualifier: Option<Qualifier> },
    GetAlias { f: usize, alias: usize },
    GetProvisioned { f: usize, qualifier: Qualifier },
    AliasesOf { f: usize, version: Number, page: u8 },
    Restart,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Package {
    Good(usize),
    /// No zip.
    Bad,
}

/// A caller's `RevisionId`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Revision {
    None,
    Right,
    /// One that was right before.
    Old,
    Garbage,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sha {
    None,
    Right,
    Wrong,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Setting {
    /// Nothing but the call.
    Nothing,
    Description(u8),
    Timeout(u8),
    Memory(u8),
    Variable(u8),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    Latest,
    /// There or not.
    Version(u64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Qualifier {
    Number(Number),
    Alias(usize),
}

/// `AdditionalVersionWeights`.
#[derive(Clone, Debug, PartialEq)]
pub enum Weights {
    /// No map at all, or an empty one.
    Cleared {
        empty_map: bool,
    },
    Of(Vec<(Number, f64)>),
}

#[derive(Clone, Debug)]
pub struct AliasChange {
    pub version: Option<Number>,
    pub weights: Option<Weights>,
    pub description: Option<u8>,
}

/// A step, and whether what was accepted before it is awaited.
#[derive(Clone, Debug)]
pub struct Turn {
    pub settled: bool,
    pub step: Step,
    /// Time that passes before.
    pub after_ms: u16,
    /// Size of the pages that everything is looked at with afterwards.
    pub page: u8,
}

/// A client's life. Strategies are boxed: the whole of them is too much for a thread's stack.
pub fn turns() -> BoxedStrategy<Vec<Turn>> {
    let turn = (prop::bool::weighted(0.8), step(), 1..2_000u16, 1..5u8)
        .prop_map(|(settled, step, after_ms, page)| Turn { settled, step, after_ms, page });
    (prop::bool::weighted(0.8), prop::collection::vec(turn, 1..80))
        .prop_map(|(prepared, turns)| {
            let beginning = if prepared { beginning() } else { Vec::new() };
            beginning.into_iter().chain(turns).collect()
        })
        .boxed()
}

/// A function with two versions and two aliases, one of them weighted: most of what can be said is about such.
fn beginning() -> Vec<Turn> {
    let (f, publish, description, revision) = (0, true, None, Revision::None);
    let steps = [
        Step::Create { f, package: Package::Good(0), publish, description, tags: 1 },
        Step::UpdateCode { f, package: Package::Good(1), publish, dry_run: false, revision },
        Step::CreateAlias { f, alias: 0, version: Number::Version(1), weights: None, description },
        Step::CreateAlias {
            f,
            alias: 1,
            version: Number::Version(2),
            weights: Some(Weights::Of(vec![(Number::Version(1), 0.25)])),
            description,
        },
    ];
    steps.into_iter().map(|step| Turn { settled: true, step, after_ms: 5, page: 2 }).collect()
}

fn step() -> BoxedStrategy<Step> {
    prop_oneof![
        8 => functions(),
        8 => versions(),
        8 => aliases(),
        6 => concurrency(),
        4 => looks(),
        1 => Just(Step::Restart),
    ]
    .boxed()
}

/// The first is the busiest.
fn f() -> BoxedStrategy<usize> {
    prop_oneof![10 => Just(0), 3 => Just(1), 1 => Just(2)].boxed()
}

fn alias() -> BoxedStrategy<usize> {
    prop_oneof![4 => Just(0), 2 => Just(1), 1 => Just(2)].boxed()
}

fn package() -> BoxedStrategy<Package> {
    prop_oneof![12 => (0..4usize).prop_map(Package::Good), 1 => Just(Package::Bad)].boxed()
}

fn revision() -> BoxedStrategy<Revision> {
    prop_oneof![
        6 => Just(Revision::None),
        3 => Just(Revision::Right),
        1 => Just(Revision::Old),
        1 => Just(Revision::Garbage),
    ]
    .boxed()
}

fn maybe(most: u8) -> BoxedStrategy<Option<u8>> {
    prop::option::of(0..most).boxed()
}

fn number() -> BoxedStrategy<Number> {
    let version = prop_oneof![5 => Just(1), 4 => Just(2), 3 => 3..6u64];
    prop_oneof![1 => Just(Number::Latest), 6 => version.prop_map(Number::Version)].boxed()
}

fn qualifier() -> BoxedStrategy<Qualifier> {
    prop_oneof![1 => number().prop_map(Qualifier::Number), 1 => alias().prop_map(Qualifier::Alias)].boxed()
}

fn weights() -> BoxedStrategy<Weights> {
    let weight = prop_oneof![Just(0.0), Just(0.25), Just(1.0)];
    prop_oneof![
        1 => any::<bool>().prop_map(|empty_map| Weights::Cleared { empty_map }),
        4 => (number(), weight.clone()).prop_map(|one| Weights::Of(vec![one])),
        1 => prop::collection::vec((number(), weight), 2).prop_map(Weights::Of),
        1 => number().prop_map(|version| Weights::Of(vec![(version, 1.5)])),
    ]
    .boxed()
}

fn functions() -> BoxedStrategy<Step> {
    let create = (f(), package(), any::<bool>(), maybe(3), 0..4u8).prop_map(
        |(f, package, publish, description, tags)| Step::Create { f, package, publish, description, tags },
    );
    let update_code = (f(), package(), any::<bool>(), prop::bool::weighted(0.2), revision()).prop_map(
        |(f, package, publish, dry_run, revision)| Step::UpdateCode {
            f,
            package,
            publish,
            dry_run,
            revision,
        },
    );
    let setting = prop_oneof![
        Just(Setting::Nothing),
        (0..3u8).prop_map(Setting::Description),
        (0..3u8).prop_map(Setting::Timeout),
        (0..3u8).prop_map(Setting::Memory),
        (0..3u8).prop_map(Setting::Variable),
    ];
    let update_configuration = (f(), setting, revision())
        .prop_map(|(f, setting, revision)| Step::UpdateConfiguration { f, setting, revision });
    let tag = (f(), 0..50u8, prop_oneof![20 => 0..5u8, 1 => 48..52u8], prop::bool::weighted(0.1))
        .prop_map(|(f, from, count, qualified)| Step::Tag { f, from, count, qualified });
    let untag = (f(), 0..50u8, 1..30u8).prop_map(|(f, from, count)| Step::Untag { f, from, count });
    prop_oneof![
        6 => create,
        5 => update_code,
        4 => update_configuration,
        2 => tag,
        1 => untag,
        1 => f().prop_map(|f| Step::DeleteFunction { f }),
    ]
    .boxed()
}

fn versions() -> BoxedStrategy<Step> {
    let sha = prop_oneof![6 => Just(Sha::None), 2 => Just(Sha::Right), 1 => Just(Sha::Wrong)];
    let publish = (f(), maybe(3), sha, revision())
        .prop_map(|(f, description, sha, revision)| Step::Publish { f, description, sha, revision });
    prop_oneof![
        4 => publish,
        1 => (f(), qualifier()).prop_map(|(f, qualifier)| Step::DeleteQualified { f, qualifier }),
    ]
    .boxed()
}

fn aliases() -> BoxedStrategy<Step> {
    let create = (f(), alias(), number(), prop::option::weighted(0.3, weights()), maybe(3)).prop_map(
        |(f, alias, version, weights, description)| Step::CreateAlias {
            f,
            alias,
            version,
            weights,
            description,
        },
    );
    let change = (
        prop::option::weighted(0.5, number()),
        prop::option::weighted(0.5, weights()),
        prop::option::weighted(0.3, 0..3u8),
    )
        .prop_map(|(version, weights, description)| AliasChange { version, weights, description });
    let update = (f(), alias(), change, revision())
        .prop_map(|(f, alias, change, revision)| Step::UpdateAlias { f, alias, change, revision });
    prop_oneof![
        4 => create,
        4 => update,
        1 => (f(), alias()).prop_map(|(f, alias)| Step::DeleteAlias { f, alias }),
    ]
    .boxed()
}

fn concurrency() -> BoxedStrategy<Step> {
    let reserved = prop_oneof![
        3 => 0..9i32,
        4 => prop_oneof![Just(-1), Just(250), Just(500), Just(900), Just(901)],
    ];
    let put = (f(), reserved, prop::bool::weighted(0.1))
        .prop_map(|(f, count, qualified)| Step::PutReserved { f, count, qualified });
    let provisioned = prop_oneof![
        6 => 1..4i32,
        4 => prop_oneof![Just(0), Just(100), Just(450), Just(890), Just(950), Just(2_000)],
    ];
    let put_provisioned = (f(), qualifier(), provisioned)
        .prop_map(|(f, qualifier, count)| Step::PutProvisioned { f, qualifier, count });
    prop_oneof![
        3 => put,
        1 => f().prop_map(|f| Step::DeleteReserved { f }),
        5 => put_provisioned,
        1 => (f(), qualifier()).prop_map(|(f, qualifier)| Step::DeleteProvisioned { f, qualifier }),
    ]
    .boxed()
}

fn looks() -> BoxedStrategy<Step> {
    prop_oneof![
        2 => (f(), prop::option::of(qualifier())).prop_map(|(f, qualifier)| Step::Get { f, qualifier }),
        1 => (f(), alias()).prop_map(|(f, alias)| Step::GetAlias { f, alias }),
        1 => (f(), qualifier()).prop_map(|(f, qualifier)| Step::GetProvisioned { f, qualifier }),
        1 => (f(), number(), 1..3u8).prop_map(|(f, version, page)| Step::AliasesOf { f, version, page }),
    ]
    .boxed()
}
