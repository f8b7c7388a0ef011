//! A control plane on disk, driven with requests as clients make them. Time stands still until a test moves it, and
//! nothing becomes active before a test lets it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use lambent_blob_fs::FsCode;
use lambent_control::{Control, ControlParts, ControlService};
use lambent_domain::limits::UNRESERVED_MINIMUM;
use lambent_domain::{
    AccountId, CodeRef, CodeSha256, MappingKey, Region, RequestId, RevisionId, RuntimeId, Scope,
};
use lambent_kit::clock::TestClock;
use lambent_kit::random::Random;
use lambent_ports::api::{ApiRequest, ApiService, Caller};
use lambent_ports::code::{CodeError, CodeLinks, CodeStore};
use lambent_ports::code_source::{CodeSource, CodeSourceError, S3Object};
use lambent_ports::event_sources::{EventSources, QueueFound, QueueRefused};
use lambent_ports::invoke::{ProvisionedState, ProvisionedView};
use lambent_ports::runtimes::{Command, ResolvedRuntime, RuntimeCatalog, RuntimeStatus, RuntimeUnavailable};
use lambent_ports::signatures::{Signature, Signatures};
use lambent_ports::store::{Limits, Store};
use lambent_store_sqlite::SqliteStore;
use serde_json::Value;
use tokio::sync::watch;

/// Midnight of 2026-03-01 UTC, where every world's clock starts.
pub const EPOCH_MS: u64 = 1_772_323_200_000;
/// Concurrent executions of the account.
pub const ACCOUNT_CONCURRENCY: u32 = 1_000;
/// Code storage of the account: little, so that tests reach it.
pub const CODE_BYTES: u64 = 30_000;
/// Longest that anything may take to become active.
const PATIENCE: Duration = Duration::from_secs(20);

/// Good zips of different sizes.
pub static PACKAGES: LazyLock<Vec<Bytes>> =
    LazyLock::new(|| [100, 1_000, 2_500, 6_000].into_iter().map(package).collect());

/// A directory to keep everything in. In memory where there is such a place: what a loss of power leaves is not what is
/// tested here, and waiting for disks would be most of the time.
pub fn directory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// An answer as a client sees it.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// `x-amzn-errortype`.
    pub code: Option<String>,
    pub body: Value,
}

impl Answer {
    /// The error's text.
    pub fn message(&self) -> &str {
        ["message", "Message"].iter().find_map(|name| self.body[*name].as_str()).unwrap_or_default()
    }
}

/// What stands between an accepted change and what runs.
#[derive(Clone)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    pub fn new(open: bool) -> Self {
        Gate(Arc::new(watch::Sender::new(open)))
    }

    fn set(&self, open: bool) {
        self.0.send_replace(open);
    }

    async fn passed(&self) {
        let mut open = self.0.subscribe();
        // The sender is held: it can't be gone.
        let _ = open.wait_for(|open| *open).await;
    }
}

/// A running control plane.
pub struct World {
    pub service: ControlService,
    pub store: Arc<SqliteStore>,
    pub scope: Scope,
    clock: Arc<TestClock>,
    gate: Gate,
}

impl World {
    /// Opens what is in the directory, and goes on with what was interrupted.
    pub async fn open(dir: &Path, clock: Arc<TestClock>, random: Arc<dyn Random>, gate: Gate) -> Self {
        let code = FsCode::open(dir).unwrap();
        Self::with_code(dir, clock, random, gate.clone(), Arc::new(GatedCode { code, gate })).await
    }

    pub async fn with_code(
        dir: &Path,
        clock: Arc<TestClock>,
        random: Arc<dyn Random>,
        gate: Gate,
        code: Arc<dyn CodeStore>,
    ) -> Self {
        let limits =
            Limits { code_bytes: CODE_BYTES, claimed_concurrency: ACCOUNT_CONCURRENCY - UNRESERVED_MINIMUM };
        let store = SqliteStore::open(dir, &*random, limits).unwrap();
        let control = Control::new(ControlParts {
            store: Arc::clone(&store) as _,
            code,
            s3: Arc::new(NoS3),
            signatures: Arc::new(NothingSigned),
            runtimes: Arc::new(OneRuntime([RuntimeId::new("python3.12")])),
            links: Arc::new(Links),
            provisioned: Arc::new(NothingProvisioned),
            event_sources: Arc::new(OneQueue),
            clock: Arc::clone(&clock) as _,
            random,
            account_concurrency: ACCOUNT_CONCURRENCY,
        });
        control.resume().await;
        let account = AccountId::parse("123456789012").unwrap();
        let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
        World { service: ControlService(control), store, scope, clock, gate }
    }

    pub fn advance(&self, by_ms: u64) {
        self.clock.advance(by_ms);
    }

    /// One request. `path` has its query; a body of `Null` is none.
    pub async fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let response = self
            .service
            .call(ApiRequest {
                method: method.parse().unwrap(),
                uri: path.parse().unwrap(),
                headers: http::HeaderMap::new(),
                body,
                scope: self.scope.clone(),
                caller: Caller {
                    account: self.scope.account.clone(),
                    access_key_id: None,
                    principal: None,
                    authority: None,
                },
                request_id: RequestId::from_random([7; 16]),
                base_url: "http://localhost".into(),
                gone: lambent_ports::presence::present().1,
            })
            .await;
        let code = response.headers().get("x-amzn-errortype").map(|code| code.to_str().unwrap().to_owned());
        let body = match response.body() {
            bytes if bytes.is_empty() => Value::Null,
            bytes => serde_json::from_slice(bytes).unwrap(),
        };
        Answer { status: response.status().as_u16(), code, body }
    }

    /// Lets everything that was accepted become active, and nothing after that.
    pub async fn settle(&self) {
        self.gate.set(true);
        self.all_settled().await;
        self.gate.set(false);
    }

    /// Waits until nothing is on its way. The store shows it; asking it costs no disk.
    pub async fn all_settled(&self) {
        let unfinished = || {
            let functions = self.store.all_functions();
            functions.iter().any(|function| function.all_versions().any(|version| version.is_unfinished()))
        };
        let settled = async {
            while unfinished() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, settled).await.expect("what was accepted becomes active");
    }
}

/// Packages on disk, unpacked when the gate is open.
struct GatedCode {
    code: FsCode,
    gate: Gate,
}

#[async_trait]
impl CodeStore for GatedCode {
    async fn check(&self, zip: Bytes) -> Result<CodeRef, CodeError> {
        self.code.check(zip).await
    }

    async fn put(&self, zip: Bytes) -> Result<CodeRef, CodeError> {
        self.code.put(zip).await
    }

    async fn zip(&self, sha256: CodeSha256) -> Result<Option<Bytes>, CodeError> {
        self.code.zip(sha256).await
    }

    async fn unpacked(&self, sha256: CodeSha256) -> Result<PathBuf, CodeError> {
        self.gate.passed().await;
        self.code.unpacked(sha256).await
    }

    async fn merged(&self, layers: &[CodeSha256]) -> Result<PathBuf, CodeError> {
        self.code.merged(layers).await
    }

    async fn sweep(&self, keep: &[CodeSha256], keep_merged: &[Vec<CodeSha256>]) -> Result<(), CodeError> {
        self.code.sweep(keep, keep_merged).await
    }
}

/// Distinct ids, the same in every run.
#[derive(Default)]
pub struct Counted(AtomicU64);

impl Random for Counted {
    fn bytes16(&self) -> [u8; 16] {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        // Spread over both halves: six bits of a UUID are fixed.
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        bytes[8..].copy_from_slice(&number.to_le_bytes());
        bytes.rotate_left(4);
        bytes
    }
}

struct OneRuntime([RuntimeId; 1]);

impl RuntimeCatalog for OneRuntime {
    fn resolve(&self, id: &RuntimeId) -> Result<Arc<ResolvedRuntime>, RuntimeUnavailable> {
        if !self.0.contains(id) {
            return Err(RuntimeUnavailable::Unknown(id.clone()));
        }
        Ok(Arc::new(ResolvedRuntime {
            id: id.clone(),
            mounts: Vec::new(),
            command: Command::Run(vec!["/bin/false".into()]),
            env: Vec::new(),
            execution_env: None,
            version: "python:3.12.v1".into(),
            version_hash: "0".repeat(64),
            framed_logs: false,
            parked: None,
            forks: false,
            warning: None,
        }))
    }

    fn creatable(&self) -> &[RuntimeId] {
        &self.0
    }

    fn status(&self) -> Vec<RuntimeStatus> {
        Vec::new()
    }
}

struct Links;

impl CodeLinks for Links {
    fn link(&self, base_url: &str, name: &str, sha256: CodeSha256) -> String {
        format!("{base_url}/{name}/{}", sha256.to_hex())
    }
}

struct NothingSigned;

#[async_trait]
impl Signatures for NothingSigned {
    async fn signature(&self, _: Bytes) -> Result<Signature, CodeError> {
        Ok(Signature::Missing)
    }
}

struct NoS3;

#[async_trait]
impl CodeSource for NoS3 {
    async fn fetch(&self, _: &S3Object, _: &Region, _: usize, _: Duration) -> Result<Bytes, CodeSourceError> {
        Err(CodeSourceError::NotConfigured)
    }
}

/// Nobody starts environments here.
struct NothingProvisioned;

impl ProvisionedView for NothingProvisioned {
    fn provisioned(&self, _: RevisionId) -> ProvisionedState {
        ProvisionedState::default()
    }
}

/// Every queue is there, but for one.
struct OneQueue;

#[async_trait]
impl EventSources for OneQueue {
    async fn queue(&self, arn: &str, _: &str) -> Result<QueueFound, QueueRefused> {
        if arn.ends_with(":gone") {
            let code = "AWS.SimpleQueueService.NonExistentQueue".into();
            return Err(QueueRefused::Answered {
                code,
                message: "The specified queue does not exist.".into(),
            });
        }
        Ok(QueueFound { visibility_timeout_s: 30 })
    }

    fn problem(&self, _: &MappingKey) -> Option<String> {
        None
    }
}

fn package(bytes: usize) -> Bytes {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    writer.start_file("app.py", stored).unwrap();
    writer.write_all(&vec![b'#'; bytes]).unwrap();
    Bytes::from(writer.finish().unwrap().into_inner())
}
