//! IAM's accounts in SQLite, in a file of their own, and in memory. The secrets of keys are encrypted.

mod rows;
mod stored;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use async_trait::async_trait;
use lambent_domain::AccountId;
use lambent_kit::random::Random;
use lambent_ports::iam_store::{IamAccount, IamChange, IamStore, IamStoreError};
use lambent_sqlite::{Bounds, KeyError, SealingKey, WriteError, Writer, open};

/// Jobs that may wait hold their records in memory.
const BOUNDS: Bounds = Bounds { queued: 256, group: 256 };

/// A store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file.
    #[error(transparent)]
    File(#[from] lambent_sqlite::OpenError),
    /// The key that seals secrets.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// What is stored can't be read.
    #[error("{0}")]
    Damaged(String),
    /// The thread could not be started.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// What is known without the disk.
#[derive(Default)]
struct Shown {
    accounts: HashMap<AccountId, Arc<IamAccount>>,
    /// Account and user's name by key.
    keys: HashMap<String, (AccountId, String)>,
}

impl Shown {
    fn show(&mut self, id: &AccountId, account: Arc<IamAccount>) {
        self.keys.retain(|_, (owner, _)| owner != id);
        for user in account.users.values() {
            let owner = (id.clone(), user.head.name.clone());
            self.keys.extend(user.keys.iter().map(|key| (key.id.clone(), owner.clone())));
        }
        self.accounts.insert(id.clone(), account);
    }
}

/// Accounts in `<data dir>/iam.sqlite`.
pub struct IamSqlite(Arc<Inner>);

struct Inner {
    writer: Writer,
    key: Arc<SealingKey>,
    shown: RwLock<Shown>,
}

impl IamSqlite {
    /// Opens or creates the file and reads all of it. The caller sees to it that nobody else has it open.
    pub fn open(data_dir: &Path, random: &dyn Random) -> Result<Arc<Self>, OpenError> {
        let fresh = [random.bytes16(), random.bytes16()];
        let key = Arc::new(SealingKey::open(&data_dir.join("keys"), "iam", fresh)?);
        let connection = open(&data_dir.join("iam.sqlite"), &rows::SCHEMA)?;
        let mut shown = Shown::default();
        for (id, account) in rows::load(&connection, &key).map_err(OpenError::Damaged)? {
            shown.show(&id, Arc::new(account));
        }
        let writer = Writer::start("iam-store", connection, BOUNDS)?;
        Ok(Arc::new(IamSqlite(Arc::new(Inner { writer, key, shown: RwLock::new(shown) }))))
    }

    fn shown(&self) -> RwLockReadGuard<'_, Shown> {
        self.0.shown.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    async fn commit(
        &self,
        id: AccountId,
        revision: u64,
        changes: Vec<IamChange>,
    ) -> Result<Arc<IamAccount>, IamStoreError> {
        let (key, owner, written) = (Arc::clone(&self.key), id.clone(), changes.clone());
        let work = move |db: &rusqlite::Connection| rows::commit(db, &key, &owner, revision, &written);
        self.writer.run(lost, work).await?;
        let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
        let mut account = shown.accounts.get(&id).map(|known| IamAccount::clone(known)).unwrap_or_default();
        changes.into_iter().for_each(|change| account.apply(change));
        account.revision = revision + 1;
        let account = Arc::new(account);
        shown.show(&id, Arc::clone(&account));
        Ok(account)
    }
}

fn lost(error: WriteError) -> IamStoreError {
    IamStoreError::Storage(error.message)
}

#[async_trait]
impl IamStore for IamSqlite {
    fn account(&self, account: &AccountId) -> Arc<IamAccount> {
        self.shown().accounts.get(account).cloned().unwrap_or_default()
    }

    fn key_owner(&self, access_key_id: &str) -> Option<(AccountId, String)> {
        self.shown().keys.get(access_key_id).cloned()
    }

    async fn commit(
        &self,
        account: &AccountId,
        revision: u64,
        changes: Vec<IamChange>,
    ) -> Result<Arc<IamAccount>, IamStoreError> {
        let (inner, account) = (Arc::clone(&self.0), account.clone());
        // A task of its own: a caller that gives up must not leave memory behind the disk.
        let done = tokio::spawn(async move { inner.commit(account, revision, changes).await });
        done.await.unwrap_or_else(|error| Err(IamStoreError::Storage(error.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use lambent_kit::random::SystemRandom;
    use lambent_ports::iam_store::IamRecord;
    use lambent_ports::suites::iam_store as suite;

    use super::*;

    #[tokio::test]
    async fn it_does_what_every_store_does() {
        let dir = tempfile::tempdir().unwrap();
        suite::all(&*IamSqlite::open(dir.path(), &SystemRandom).unwrap()).await;
    }

    #[tokio::test]
    async fn everything_is_there_when_it_is_opened_again_and_no_secret_is_on_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let store = IamSqlite::open(dir.path(), &SystemRandom).unwrap();
        let changes = suite::one_of_each().into_iter().map(IamChange::Put).collect();
        let before = store.commit(&suite::account(), 0, changes).await.unwrap();
        drop(store);
        let again = IamSqlite::open(dir.path(), &SystemRandom).unwrap();
        assert_eq!(again.account(&suite::account()), before);
        assert_eq!(again.key_owner("AKIAAna"), Some((suite::account(), "Ana".into())));
        drop(again);
        let bytes = std::fs::read(dir.path().join("iam.sqlite")).unwrap();
        let IamRecord::User(user) = &suite::one_of_each()[0] else { panic!("a user is first") };
        let secret = user.keys[0].secret.0.as_bytes();
        assert!(!bytes.windows(secret.len()).any(|found| found == secret));
    }

    #[tokio::test]
    async fn another_key_does_not_open_secrets() {
        let dir = tempfile::tempdir().unwrap();
        let store = IamSqlite::open(dir.path(), &SystemRandom).unwrap();
        let changes = suite::one_of_each().into_iter().map(IamChange::Put).collect();
        store.commit(&suite::account(), 0, changes).await.unwrap();
        drop(store);
        std::fs::remove_file(dir.path().join("keys/iam.key")).unwrap();
        let refused = IamSqlite::open(dir.path(), &SystemRandom).err().unwrap();
        assert!(matches!(&refused, OpenError::Damaged(text) if text.contains("keys/iam.key")), "{refused}");
    }
}
