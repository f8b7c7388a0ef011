//! The tables. A record is one row, its secrets sealed beside it.

use std::collections::BTreeMap;

use lambent_domain::AccountId;
use lambent_ports::iam_store::{IamAccount, IamChange, IamKind, IamRecord, IamStoreError};
use lambent_sqlite::{Schema, SealingKey};
use rusqlite::{Connection, OptionalExtension, params};

use crate::stored::{Secrets, StoredRecord};

pub(crate) const SCHEMA: Schema = Schema { version: 1, tables: TABLES };

const TABLES: &str = "
    CREATE TABLE accounts (
        account TEXT PRIMARY KEY,
        revision INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE records (
        account TEXT NOT NULL,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        body TEXT NOT NULL,
        sealed BLOB,
        PRIMARY KEY (account, kind, name)
    ) STRICT, WITHOUT ROWID;
";

fn kind_name(kind: IamKind) -> &'static str {
    match kind {
        IamKind::User => "user",
        IamKind::Group => "group",
        IamKind::Role => "role",
        IamKind::Policy => "policy",
        IamKind::InstanceProfile => "instance-profile",
        IamKind::Alias => "alias",
    }
}

/// What is authenticated together with a record's secrets.
fn owner(account: &str, kind: &str, name: &str) -> String {
    format!("{account}/{kind}/{name}")
}

fn storage(error: impl std::fmt::Display) -> IamStoreError {
    IamStoreError::Storage(error.to_string())
}

pub(crate) fn commit(
    db: &Connection,
    key: &SealingKey,
    account: &AccountId,
    revision: u64,
    changes: &[IamChange],
) -> Result<(), IamStoreError> {
    let id = account.as_str();
    let known = db.query_row("SELECT revision FROM accounts WHERE account = ?1", [id], |row| row.get(0));
    let known: i64 = known.optional().map_err(storage)?.unwrap_or(0);
    if known as u64 != revision {
        return Err(IamStoreError::Changed);
    }
    let set = "INSERT OR REPLACE INTO accounts (account, revision) VALUES (?1, ?2)";
    db.execute(set, params![id, known + 1]).map_err(storage)?;
    for change in changes {
        match change {
            IamChange::Put(record) => put(db, key, id, record)?,
            IamChange::Drop(kind, name) => {
                let sql = "DELETE FROM records WHERE account = ?1 AND kind = ?2 AND name = ?3";
                db.execute(sql, params![id, kind_name(*kind), name.to_lowercase()]).map_err(storage)?;
            }
        }
    }
    Ok(())
}

fn put(db: &Connection, key: &SealingKey, account: &str, record: &IamRecord) -> Result<(), IamStoreError> {
    let (kind, name) = record.key();
    let kind = kind_name(kind);
    let (stored, secrets) = StoredRecord::of(record);
    let body = serde_json::to_string(&stored).map_err(storage)?;
    let sealed = match secrets.is_empty() {
        true => None,
        false => {
            let plain = serde_json::to_vec(&secrets).map_err(storage)?;
            Some(key.seal(&owner(account, kind, &name), plain).map_err(storage)?)
        }
    };
    let sql =
        "INSERT OR REPLACE INTO records (account, kind, name, body, sealed) VALUES (?1, ?2, ?3, ?4, ?5)";
    db.prepare_cached(sql)
        .and_then(|mut statement| statement.execute(params![account, kind, name, body, sealed]))
        .map(drop)
        .map_err(storage)
}

struct Row {
    account: String,
    kind: String,
    name: String,
    body: String,
    sealed: Option<Vec<u8>>,
}

/// Reads everything. The error is for people.
pub(crate) fn load(db: &Connection, key: &SealingKey) -> Result<BTreeMap<AccountId, IamAccount>, String> {
    let mut accounts: BTreeMap<AccountId, IamAccount> = BTreeMap::new();
    let id = |text: &str| AccountId::parse(text).ok_or_else(|| format!("iam.sqlite has an account {text}"));
    let mut query =
        db.prepare("SELECT account, revision FROM accounts").map_err(|error| error.to_string())?;
    let rows = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)));
    for row in rows.map_err(|error| error.to_string())? {
        let (account, revision) = row.map_err(|error| error.to_string())?;
        accounts.entry(id(&account)?).or_default().revision = revision as u64;
    }
    let sql = "SELECT account, kind, name, body, sealed FROM records";
    let mut query = db.prepare(sql).map_err(|error| error.to_string())?;
    let rows = query.query_map([], |row| {
        Ok(Row {
            account: row.get(0)?,
            kind: row.get(1)?,
            name: row.get(2)?,
            body: row.get(3)?,
            sealed: row.get(4)?,
        })
    });
    for row in rows.map_err(|error| error.to_string())? {
        let row = row.map_err(|error| error.to_string())?;
        let account = accounts.entry(id(&row.account)?).or_default();
        account.apply(IamChange::Put(record(&row, key)?));
    }
    Ok(accounts)
}

fn record(row: &Row, key: &SealingKey) -> Result<IamRecord, String> {
    let at = owner(&row.account, &row.kind, &row.name);
    let secrets: Secrets = match &row.sealed {
        None => Secrets::new(),
        Some(sealed) => {
            let plain = key.unseal(&at, sealed).ok_or_else(|| {
                format!(
                    "the secrets of {at} can't be decrypted with keys/iam.key: it is not the key that they were encrypted with, or the row is damaged"
                )
            })?;
            serde_json::from_slice(&plain).map_err(|error| format!("{at}: {error}"))?
        }
    };
    let stored: StoredRecord = serde_json::from_str(&row.body).map_err(|error| format!("{at}: {error}"))?;
    stored.into_record(secrets).map_err(|error| format!("{at}: {error}"))
}
