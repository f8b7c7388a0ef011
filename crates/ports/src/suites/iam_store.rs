//! What every [`IamStore`] does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lambent_domain::AccountId;
use lambent_iam_policy::Policy;

use crate::iam_store::{
    Grants, Group, Head, IamAccount, IamChange, IamKind, IamRecord, IamStore, IamStoreError, InstanceProfile,
    ManagedPolicy, PolicyVersion, Role, ServiceCredential, User, UserKey,
};
use crate::identity::Secret;

/// The account that the suite changes.
pub fn account() -> AccountId {
    AccountId::parse("123456789012").unwrap()
}

fn head(name: &str) -> Head {
    Head { name: name.into(), path: "/team/".into(), id: format!("ID{name}"), created_ms: 7 }
}

fn document(action: &str) -> Arc<Policy> {
    let text = format!(
        r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Action": "{action}", "Resource": "*"}}]}}"#
    );
    Arc::new(Policy::parse(&text).unwrap())
}

fn grants() -> Grants {
    Grants {
        inline: BTreeMap::from([("inline".to_owned(), document("s3:*"))]),
        attached: vec!["arn:aws:iam::aws:policy/B".into(), "arn:aws:iam::aws:policy/A".into()],
    }
}

/// A user with everything that a user can have.
pub fn user(name: &str) -> User {
    User {
        head: head(name),
        tags: BTreeMap::from([("k".into(), "v".into())]),
        grants: grants(),
        boundary: Some("arn:aws:iam::aws:policy/A".into()),
        groups: BTreeSet::from(["devs".to_owned()]),
        keys: vec![UserKey {
            id: format!("AKIA{name}"),
            secret: Secret("wJalr".into()),
            active: true,
            created_ms: 8,
        }],
        service_credentials: vec![ServiceCredential {
            id: format!("ACCA{name}"),
            service: "codecommit.amazonaws.com".into(),
            user_name: format!("{name}-at-123456789012"),
            password: Secret("pass".into()),
            active: false,
            created_ms: 9,
        }],
    }
}

/// One record of each kind.
pub fn one_of_each() -> Vec<IamRecord> {
    let role = Role {
        head: head("Role"),
        tags: BTreeMap::from([("k".into(), "v".into())]),
        description: Some("what for".into()),
        trust: document("sts:AssumeRole"),
        max_session_s: 3600,
        grants: grants(),
        boundary: None,
    };
    let version = PolicyVersion { number: 2, document: document("sqs:*"), created_ms: 9 };
    let policy = ManagedPolicy {
        head: head("Policy"),
        tags: BTreeMap::new(),
        description: None,
        versions: vec![version],
        default_version: 2,
        last_version: 3,
        updated_ms: 10,
    };
    let profile = InstanceProfile { head: head("Profile"), tags: BTreeMap::new(), role: Some("Role".into()) };
    vec![
        IamRecord::User(user("Ana")),
        IamRecord::Group(Group { head: head("Devs"), grants: grants() }),
        IamRecord::Role(role),
        IamRecord::Policy(policy),
        IamRecord::InstanceProfile(profile),
        IamRecord::Alias("acme".into()),
    ]
}

async fn commit(store: &dyn IamStore, changes: Vec<IamChange>) -> Arc<IamAccount> {
    let revision = store.account(&account()).revision;
    store.commit(&account(), revision, changes).await.unwrap()
}

/// Runs everything on an empty store.
pub async fn all(store: &dyn IamStore) {
    records_are_kept_as_they_are(store).await;
    a_commit_replaces_the_state_it_was_decided_on(store).await;
    keys_are_found_by_their_ids(store).await;
    accounts_are_apart(store).await;
    what_is_dropped_is_gone(store).await;
}

async fn records_are_kept_as_they_are(store: &dyn IamStore) {
    assert_eq!(*store.account(&account()), IamAccount::default());
    let changes: Vec<IamChange> = one_of_each().into_iter().map(IamChange::Put).collect();
    let mut expected = IamAccount { revision: 1, ..IamAccount::default() };
    changes.iter().cloned().for_each(|change| expected.apply(change));
    assert_eq!(*commit(store, changes).await, expected);
    assert_eq!(*store.account(&account()), expected);
}

async fn a_commit_replaces_the_state_it_was_decided_on(store: &dyn IamStore) {
    let before = store.account(&account());
    let put = |path: &str| {
        let mut user = user("Bob");
        user.head.path = path.into();
        vec![IamChange::Put(IamRecord::User(user))]
    };
    let after = store.commit(&account(), before.revision, put("/a/")).await.unwrap();
    assert!(after.revision > before.revision);
    let late = store.commit(&account(), before.revision, put("/b/")).await;
    assert_eq!(late, Err(IamStoreError::Changed));
    assert_eq!(store.account(&account()).users["bob"].head.path, "/a/");
}

async fn keys_are_found_by_their_ids(store: &dyn IamStore) {
    assert_eq!(store.key_owner("AKIAAna"), Some((account(), "Ana".into())));
    assert_eq!(store.key_owner("AKIA"), None);
    let mut changed = user("Ana");
    changed.keys[0].id = "AKIANEW".into();
    commit(store, vec![IamChange::Put(IamRecord::User(changed))]).await;
    assert_eq!(store.key_owner("AKIAAna"), None);
    assert_eq!(store.key_owner("AKIANEW"), Some((account(), "Ana".into())));
}

async fn accounts_are_apart(store: &dyn IamStore) {
    let other = AccountId::parse("999999999999").unwrap();
    let mut same_name = user("Ana");
    same_name.keys.clear();
    let changes = vec![IamChange::Put(IamRecord::User(same_name))];
    store.commit(&other, 0, changes).await.unwrap();
    let drop = vec![IamChange::Drop(IamKind::User, "ANA".into())];
    let left = store.commit(&other, 1, drop).await.unwrap();
    assert!(left.users.is_empty() && store.account(&account()).users.contains_key("ana"));
}

async fn what_is_dropped_is_gone(store: &dyn IamStore) {
    let mut records = one_of_each();
    records.push(IamRecord::User(user("Bob")));
    let keys = records.iter().map(IamRecord::key);
    let left = commit(store, keys.map(|(kind, name)| IamChange::Drop(kind, name)).collect()).await;
    assert_eq!(*left, IamAccount { revision: left.revision, ..IamAccount::default() });
    assert_eq!(store.key_owner("AKIANEW"), None);
}
