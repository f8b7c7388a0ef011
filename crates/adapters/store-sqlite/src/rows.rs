//! Records as rows of SQLite: one for a record, one for each published version of a function.

use std::collections::BTreeMap;
use std::sync::Arc;

use lambent_domain::{
    AccountId, CodeSigningKey, Epoch, Function, FunctionKey, FunctionName, LayerKey, MappingKey, Region,
    Scope, Version, VersionNumber,
};
use lambent_sqlite::SealingKey;
use rusqlite::{Connection, Row, params};
use serde::{Serialize, de::DeserializeOwned};

use crate::stored::{
    StoredCodeSigning, StoredFunction, StoredLayer, StoredMapping, StoredVersion, VersionSecrets, damaged,
};
use crate::tables::{Index, Kind, Stored, Tables};

/// `part` is 0 for the record itself, and the number of a function's published version otherwise.
pub(crate) const SCHEMA: &str = "
    CREATE TABLE records (
        kind TEXT NOT NULL,
        account TEXT NOT NULL,
        region TEXT NOT NULL,
        name TEXT NOT NULL,
        part INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        body TEXT NOT NULL,
        sealed BLOB,
        PRIMARY KEY (kind, account, region, name, part)
    ) STRICT, WITHOUT ROWID;
";

/// Writes rows within whatever transaction is open.
pub(crate) struct Rows<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) key: &'a SealingKey,
}

impl Rows<'_> {
    /// Brings the rows of one record from `old` to `new`.
    pub(crate) fn write(
        &self,
        index: &Index,
        old: Option<&Stored>,
        new: Option<&Stored>,
    ) -> Result<(), String> {
        match (old, new) {
            (_, None) => self.delete(index),
            (old, Some(Stored::Function(function))) => {
                let old = match old {
                    Some(Stored::Function(old)) => Some(&**old),
                    _ => None,
                };
                self.write_function(index, old, function)
            }
            (_, Some(Stored::Layer(layer))) => self.put(index, 0, layer.epoch, &StoredLayer::of(layer), None),
            (_, Some(Stored::CodeSigning(config))) => {
                self.put(index, 0, config.epoch, &StoredCodeSigning::of(config), None)
            }
            (_, Some(Stored::Mapping(mapping))) => {
                self.put(index, 0, mapping.epoch, &StoredMapping::of(mapping), None)
            }
        }
    }

    /// Published versions that are the same as before are not written again.
    fn write_function(&self, index: &Index, old: Option<&Function>, new: &Function) -> Result<(), String> {
        let secrets = VersionSecrets::of(&new.latest);
        self.put(index, 0, new.epoch, &StoredFunction::of(new), secrets)?;
        for (number, version) in &new.versions {
            let before = old.and_then(|old| old.versions.get(number));
            if before.is_none_or(|before| !Arc::ptr_eq(before, version)) {
                let secrets = VersionSecrets::of(version);
                self.put(index, *number, new.epoch, &StoredVersion::of(version), secrets)?;
            }
        }
        let gone = old
            .into_iter()
            .flat_map(|old| old.versions.keys())
            .filter(|number| !new.versions.contains_key(number));
        for number in gone {
            self.delete_part(index, *number)?;
        }
        Ok(())
    }

    fn put(
        &self,
        index: &Index,
        part: u64,
        epoch: Epoch,
        body: &impl Serialize,
        secrets: Option<VersionSecrets>,
    ) -> Result<(), String> {
        let body = serde_json::to_string(body).map_err(|error| error.to_string())?;
        let sealed = match secrets {
            None => None,
            Some(secrets) => {
                let plain = serde_json::to_vec(&secrets).map_err(|error| error.to_string())?;
                Some(self.key.seal(&owner(index, part), plain)?)
            }
        };
        let sql = "INSERT OR REPLACE INTO records (kind, account, region, name, part, epoch, body, sealed)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let (kind, scope, name) = index;
        let parameters = params![
            kind.as_str(),
            scope.account.as_str(),
            scope.region.as_str(),
            name,
            part as i64,
            epoch.0 as i64,
            body,
            sealed
        ];
        self.execute(sql, parameters)
    }

    fn delete(&self, (kind, scope, name): &Index) -> Result<(), String> {
        let sql = "DELETE FROM records WHERE kind = ?1 AND account = ?2 AND region = ?3 AND name = ?4";
        self.execute(sql, params![kind.as_str(), scope.account.as_str(), scope.region.as_str(), name])
    }

    fn delete_part(&self, (kind, scope, name): &Index, part: u64) -> Result<(), String> {
        let sql = "DELETE FROM records WHERE kind = ?1 AND account = ?2 AND region = ?3 AND name = ?4 AND part = ?5";
        let parameters =
            params![kind.as_str(), scope.account.as_str(), scope.region.as_str(), name, part as i64];
        self.execute(sql, parameters)
    }

    fn execute(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<(), String> {
        let mut statement = self.connection.prepare_cached(sql).map_err(|error| error.to_string())?;
        statement.execute(parameters).map(|_| ()).map_err(|error| error.to_string())
    }
}

/// Names the row that a ciphertext is of.
fn owner((kind, scope, name): &Index, part: u64) -> String {
    format!("{}/{}/{}/{name}/{part}", kind.as_str(), scope.account, scope.region)
}

/// Everything there is. A row that can't be understood or decrypted is an error: going on without it would lose it.
pub(crate) fn load(connection: &Connection, key: &SealingKey) -> Result<Tables, String> {
    let sql = "SELECT kind, account, region, name, part, epoch, body, sealed FROM records
        ORDER BY kind, account, region, name, part";
    let mut statement = connection.prepare(sql).map_err(|error| error.to_string())?;
    let rows = statement.query_map([], Raw::read).map_err(|error| error.to_string())?;
    let mut loader = Loader { key, tables: Tables::default(), function: None };
    for raw in rows {
        loader.take(raw.map_err(|error| error.to_string())?)?;
    }
    loader.finish_function()?;
    Ok(loader.tables)
}

/// A row as it is stored.
struct Raw {
    kind: String,
    account: String,
    region: String,
    name: String,
    part: i64,
    epoch: i64,
    body: String,
    sealed: Option<Vec<u8>>,
}

impl Raw {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Raw {
            kind: row.get(0)?,
            account: row.get(1)?,
            region: row.get(2)?,
            name: row.get(3)?,
            part: row.get(4)?,
            epoch: row.get(5)?,
            body: row.get(6)?,
            sealed: row.get(7)?,
        })
    }

    fn index(&self) -> Result<Index, String> {
        let scope = Scope {
            account: AccountId::parse(&self.account).ok_or_else(|| damaged("an account"))?,
            region: Region::parse(&self.region).ok_or_else(|| damaged("a region"))?,
        };
        let kind = Kind::parse(&self.kind).ok_or_else(|| damaged("a kind"))?;
        Ok((kind, scope, self.name.clone()))
    }

    fn body<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_str(&self.body).map_err(|error| damaged(&format!("{}: {error}", self.name)))
    }

    fn secrets(&self, index: &Index, key: &SealingKey) -> Result<VersionSecrets, String> {
        let Some(sealed) = &self.sealed else {
            return Ok(VersionSecrets::default());
        };
        let plain = key.unseal(&owner(index, self.part as u64), sealed).ok_or_else(|| {
            format!(
                "the environment variables of {} can't be decrypted with keys/environment.key: it is not the key that they were encrypted with, or the row is damaged",
                self.name
            )
        })?;
        serde_json::from_slice(&plain).map_err(|error| damaged(&error.to_string()))
    }
}

/// A function whose published versions are still being read.
struct Unfinished {
    index: Index,
    epoch: Epoch,
    stored: StoredFunction,
    secrets: VersionSecrets,
    versions: BTreeMap<u64, Arc<Version>>,
}

struct Loader<'a> {
    key: &'a SealingKey,
    tables: Tables,
    function: Option<Unfinished>,
}

impl Loader<'_> {
    fn take(&mut self, raw: Raw) -> Result<(), String> {
        let index = raw.index()?;
        let epoch = Epoch(raw.epoch as u64);
        match index.0 {
            Kind::Function if raw.part != 0 => return self.take_version(&index, &raw),
            Kind::Function => {
                self.finish_function()?;
                let secrets = raw.secrets(&index, self.key)?;
                let (stored, versions) = (raw.body()?, BTreeMap::new());
                self.function = Some(Unfinished { index, epoch, stored, secrets, versions });
            }
            Kind::Layer => {
                let key = LayerKey { scope: index.1.clone(), name: index.2.clone() };
                let layer = raw.body::<StoredLayer>()?.into_layer(key, epoch)?;
                self.tables.set(index, Some(Stored::Layer(Arc::new(layer))));
            }
            Kind::CodeSigning => {
                let key = CodeSigningKey { scope: index.1.clone(), id: index.2.clone() };
                let config = raw.body::<StoredCodeSigning>()?.into_config(key, epoch);
                self.tables.set(index, Some(Stored::CodeSigning(Arc::new(config))));
            }
            Kind::Mapping => {
                let key = MappingKey { scope: index.1.clone(), uuid: index.2.clone() };
                let mapping = raw.body::<StoredMapping>()?.into_mapping(key, epoch)?;
                self.tables.set(index, Some(Stored::Mapping(Arc::new(mapping))));
            }
        }
        Ok(())
    }

    fn take_version(&mut self, index: &Index, raw: &Raw) -> Result<(), String> {
        let secrets = raw.secrets(index, self.key)?;
        let number = raw.part as u64;
        let version = raw.body::<StoredVersion>()?.into_version(VersionNumber::Published(number), secrets)?;
        match &mut self.function {
            Some(function) if function.index == *index => {
                function.versions.insert(number, Arc::new(version));
                Ok(())
            }
            _ => Err(damaged("a version without its function")),
        }
    }

    fn finish_function(&mut self) -> Result<(), String> {
        let Some(Unfinished { index, epoch, stored, secrets, versions }) = self.function.take() else {
            return Ok(());
        };
        let name = FunctionName::parse(&index.2).ok_or_else(|| damaged("a name"))?;
        let key = FunctionKey { scope: index.1.clone(), name };
        let function = stored.into_function(key, epoch, secrets, versions)?;
        self.tables.set(index, Some(Stored::Function(Arc::new(function))));
        Ok(())
    }
}
