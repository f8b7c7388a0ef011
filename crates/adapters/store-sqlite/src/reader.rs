//! Reads, on a few connections of their own.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use lambent_domain::{AccountId, Function, FunctionKey, FunctionName, Region, Scope};
use lambent_ports::store::{StoreError, Usage};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};

use crate::secrets::EnvironmentKey;
use crate::stored::{StoredFunction, damaged};
use crate::unavailable;

/// Connections kept open between reads.
const MAX_IDLE: usize = 4;
const COLUMNS: &str = "account, region, name, body, environment, deployed_environment";

/// Opens connections as they are needed and keeps a few.
pub(crate) struct Readers {
    path: PathBuf,
    key: Arc<EnvironmentKey>,
    idle: Mutex<Vec<Connection>>,
}

/// One read's view.
pub(crate) struct Reader<'a> {
    connection: &'a Connection,
    key: &'a EnvironmentKey,
}

impl Readers {
    pub(crate) fn new(path: PathBuf, key: Arc<EnvironmentKey>) -> Self {
        Readers { path, key, idle: Mutex::default() }
    }

    /// Runs a read on a thread where blocking is allowed.
    pub(crate) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Reader<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let readers = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || {
            let connection = readers.take()?;
            let result = read(&Reader { connection: &connection, key: &readers.key });
            let mut idle = readers.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            if idle.len() < MAX_IDLE {
                idle.push(connection);
            }
            result
        });
        task.await.unwrap_or_else(|error| Err(unavailable(error)))
    }

    fn take(&self) -> Result<Connection, StoreError> {
        if let Some(connection) = self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop() {
            return Ok(connection);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags(&self.path, flags).map_err(unavailable)
    }
}

impl<'a> Reader<'a> {
    /// A view on the writer's own connection.
    pub(crate) fn of(connection: &'a Connection, key: &'a EnvironmentKey) -> Self {
        Reader { connection, key }
    }

    pub(crate) fn get(&self, key: &FunctionKey) -> Result<Option<Arc<Function>>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM functions WHERE account = ?1 AND region = ?2 AND name = ?3");
        let parameters = params![key.scope.account.as_str(), key.scope.region.as_str(), key.name.as_str()];
        let mut statement = self.connection.prepare_cached(&sql).map_err(unavailable)?;
        let raw = statement.query_row(parameters, Raw::read).optional().map_err(unavailable)?;
        raw.map(|raw| self.function(raw)).transpose()
    }

    pub(crate) fn list(
        &self,
        scope: &Scope,
        after: Option<&FunctionName>,
        limit: usize,
    ) -> Result<Vec<Arc<Function>>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM functions WHERE account = ?1 AND region = ?2 AND name > ?3 ORDER BY name LIMIT ?4"
        );
        let after = after.map_or("", FunctionName::as_str);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.rows(&sql, params![scope.account.as_str(), scope.region.as_str(), after, limit])
    }

    pub(crate) fn all(&self) -> Result<Vec<Arc<Function>>, StoreError> {
        self.rows(&format!("SELECT {COLUMNS} FROM functions"), params![])
    }

    fn rows(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<Vec<Arc<Function>>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(unavailable)?;
        let rows = statement.query_map(parameters, Raw::read).map_err(unavailable)?;
        rows.map(|raw| self.function(raw.map_err(unavailable)?)).collect()
    }

    pub(crate) fn usage(&self, scope: &Scope) -> Result<Usage, StoreError> {
        let sql =
            "SELECT COUNT(*), COALESCE(SUM(code_bytes), 0) FROM functions WHERE account = ?1 AND region = ?2";
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| {
                statement.query_row(params![scope.account.as_str(), scope.region.as_str()], |row| {
                    Ok(Usage {
                        function_count: row.get::<_, i64>(0)? as u64,
                        total_code_bytes: row.get::<_, i64>(1)? as u64,
                    })
                })
            })
            .map_err(unavailable)
    }

    fn function(&self, raw: Raw) -> Result<Arc<Function>, StoreError> {
        self.parse(raw).map(Arc::new).map_err(unavailable)
    }

    fn parse(&self, raw: Raw) -> Result<Function, String> {
        let key = FunctionKey {
            scope: Scope {
                account: AccountId::parse(&raw.account).ok_or_else(|| damaged("an account"))?,
                region: Region::parse(&raw.region).ok_or_else(|| damaged("a region"))?,
            },
            name: FunctionName::parse(&raw.name).ok_or_else(|| damaged("a name"))?,
        };
        let unseal =
            |sealed: Option<Vec<u8>>| sealed.map(|sealed| self.key.unseal(&key, &sealed)).transpose();
        let (environment, deployed) = (unseal(raw.environment)?, unseal(raw.deployed_environment)?);
        let stored: StoredFunction =
            serde_json::from_str(&raw.body).map_err(|error| damaged(&error.to_string()))?;
        stored.into_function(key, environment, deployed)
    }
}

/// A row as it is stored.
struct Raw {
    account: String,
    region: String,
    name: String,
    body: String,
    environment: Option<Vec<u8>>,
    deployed_environment: Option<Vec<u8>>,
}

impl Raw {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Raw {
            account: row.get(0)?,
            region: row.get(1)?,
            name: row.get(2)?,
            body: row.get(3)?,
            environment: row.get(4)?,
            deployed_environment: row.get(5)?,
        })
    }
}
