use std::sync::Arc;

use lambent_domain::AccountId;
use lambent_iam_policy::{Context, Decision, Policies, Policy, Principal, Request, evaluate};
use lambent_iam_sqlite::IamSqlite;
use lambent_kit::clock::TestClock;
use lambent_kit::random::SystemRandom;
use lambent_ports::iam_store::{Group, IamChange, IamKind, IamRecord, IamStore};
use lambent_ports::identity::{Identities, NamedPolicy, PolicySource};
use lambent_ports::suites::iam_store as suite;

use crate::{Iam, IamParts};

#[test]
fn every_operation_of_the_model_is_listed_once() {
    lambent_api_kit::assert_complete(&super::REGISTRY, &[], lambent_wire::iam::OPERATIONS);
}

struct World {
    iam: Arc<Iam>,
    store: Arc<IamSqlite>,
    account: AccountId,
    _dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = IamSqlite::open(dir.path(), &SystemRandom).unwrap();
        let iam = Iam::new(IamParts {
            store: Arc::clone(&store) as _,
            clock: Arc::new(TestClock::at(7_000)),
            random: Arc::new(SystemRandom),
        });
        World { iam, store, account: suite::account(), _dir: dir }
    }

    async fn change(&self, change: IamChange) {
        let revision = self.store.account(&self.account).revision;
        self.store.commit(&self.account, revision, vec![change]).await.unwrap();
    }
}

fn names(policies: &[NamedPolicy]) -> Vec<&str> {
    policies
        .iter()
        .map(|policy| match &policy.source {
            PolicySource::Managed { arn } => arn.rsplit('/').next().unwrap(),
            PolicySource::Inline { name, .. } => name,
        })
        .collect()
}

#[tokio::test]
async fn a_user_is_found_with_its_groups_policies_and_by_its_key() {
    let world = World::new();
    let mut user = suite::user("Ana");
    user.grants.attached = vec!["arn:aws:iam::aws:policy/AWSLambdaExecute".into()];
    let mut devs = user.grants.clone();
    devs.attached = vec!["arn:aws:iam::aws:policy/AmazonSQSFullAccess".into()];
    let mut head = user.head.clone();
    head.name = "devs".into();
    world.change(IamChange::Put(IamRecord::Group(Group { head, grants: devs }))).await;
    world.change(IamChange::Put(IamRecord::User(user))).await;
    let found = world.iam.user(&world.account, "ANA").unwrap();
    assert_eq!(found.arn, "arn:aws:iam::123456789012:user/team/Ana");
    assert_eq!(names(&found.policies), ["inline", "AWSLambdaExecute", "inline", "AmazonSQSFullAccess"]);
    let key = world.iam.access_key("AKIAAna").unwrap();
    assert_eq!((key.user.as_str(), key.secret.0.as_str(), key.active), ("Ana", "wJalr", true));
    world.change(IamChange::Drop(IamKind::User, "ana".into())).await;
    assert!(world.iam.user(&world.account, "Ana").is_none() && world.iam.access_key("AKIAAna").is_none());
}

#[tokio::test]
async fn a_boundary_that_is_not_known_allows_nothing() {
    let world = World::new();
    let mut user = suite::user("Ana");
    user.boundary = Some("arn:aws:iam::123456789012:policy/gone".into());
    world.change(IamChange::Put(IamRecord::User(user))).await;
    let found = world.iam.user(&world.account, "Ana").unwrap();
    let boundary = found.boundary.unwrap();
    let identity: Vec<&Policy> = found.policies.iter().map(|policy| &*policy.policy).collect();
    let principal = Principal::User { arn: found.arn };
    let context = Context::of(&principal);
    let request = Request {
        principal: &principal,
        action: "s3:GetObject",
        resource: "arn:aws:s3:::b/k",
        context: &context,
    };
    let alone = Policies { identity: &identity, ..Policies::default() };
    assert_eq!(evaluate(&request, &alone).decision, Decision::Allowed);
    let bounded = Policies { boundary: Some(&boundary.policy), ..alone };
    assert!(!evaluate(&request, &bounded).allowed());
}

#[tokio::test]
async fn managed_policies_are_found_by_their_arns() {
    let world = World::new();
    let found = |arn: &str| world.iam.managed_policy(arn).is_some();
    assert!(found("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"));
    assert!(!found("arn:aws:iam::aws:policy/AWSLambdaBasicExecutionRole"));
    for record in suite::one_of_each() {
        world.change(IamChange::Put(record)).await;
    }
    assert!(found("arn:aws:iam::123456789012:policy/team/Policy"));
    assert!(
        !found("arn:aws:iam::123456789012:policy/Policy")
            && !found("arn:aws:iam::999999999999:policy/team/Policy")
    );
}
