//! A server: everything opened, wired and running; and stopped again, in order.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use lambent_api_kit::lambda_fault;
use lambent_aws_client::RemoteClient;
use lambent_blob_fs::{FsCode, PackageSignatures};
use lambent_cloudwatch::{CloudWatch, CloudWatchService, Collector};
use lambent_control::{Control, ControlParts, ControlService};
use lambent_delivery::DeliveryMetrics;
use lambent_domain::limits::{TOTAL_CODE_BYTES, UNRESERVED_MINIMUM};
use lambent_domain::{AccountId, Region, Scope};
use lambent_iam::{Iam, IamParts, IamService};
use lambent_iam_sqlite::IamSqlite;
use lambent_invoke::log::LogPipeline;
use lambent_invoke::{FunctionTable, InvokeMetrics, Options, ProvisionedBoard, ShardParts};
use lambent_kit::clock::{Clock, SystemClock};
use lambent_kit::random::{Random, SystemRandom};
use lambent_logs::{Logs, LogsService};
use lambent_logs_sqlite::{LogsOptions, LogsSqlite};
use lambent_mappings::{MappingMetrics, Mappings};
use lambent_metrics_sqlite::MetricsSqlite;
use lambent_outbox_sqlite::OutboxSqlite;
use lambent_ports::api::{ApiService, Collected, StreamService};
use lambent_ports::aws_client::AwsClient;
use lambent_ports::code::CodeStore;
use lambent_ports::code_source::CodeSource;
use lambent_ports::log_store::LogStore;
use lambent_ports::logs::LogSink;
use lambent_ports::message_store::MessageStore;
use lambent_ports::meter::Meter;
use lambent_ports::object_store::ObjectStore;
use lambent_ports::runtimes::RuntimeCatalog;
use lambent_ports::sandbox::ParkedCount;
use lambent_ports::store::{ChangeListener, Limits, Store};
use lambent_private_ca::Authority;
use lambent_queue_sqlite::SqliteQueue;
use lambent_runtimes::{Catalog, NODEJS_CERTIFICATES};
use lambent_s3::{S3, S3Front};
use lambent_s3_source::S3Source;
use lambent_s3_sqlite::S3Sqlite;
use lambent_sandbox_linux::{LauncherClient, LauncherOptions};
use lambent_sns_sqlite::SnsSqlite;
use lambent_sqs::{Sqs, SqsService};
use lambent_sqs_sqlite::SqsSqlite;
use lambent_store_sqlite::{DataDirLock, SqliteStore};
use lambent_sts::{Sts, StsService};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::cli::options::ServeOptions;
use crate::cli::signing;
use crate::code_links::CodeLinks;
use crate::delivering;
use crate::elsewhere;
use crate::invoke_bridge::bridge;
use crate::measuring;
use crate::metrics_page::MetricsPage;
use crate::own_client::OwnClient;
use crate::own_code::OwnCode;
use crate::own_service::OwnService;
use crate::polling;
use crate::scheduling;
use crate::shard_thread::{self, MakeParts, ShardSetup};
use crate::topics;

/// How often old log events are dropped.
const EXPIRE_EVERY: Duration = Duration::from_secs(600);
/// How often messages that are too old are dropped; no client sees them even before.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// How often buckets' lifecycle rules are followed; AWS does so once a day.
const LIFECYCLE_EVERY: Duration = Duration::from_secs(60);
/// What the log pipeline gets to write what it has, at the end.
const FLUSH: Duration = Duration::from_secs(5);
/// Threads for everything but invokes.
const CONTROL_THREADS: usize = 2;
/// Threads that wait for the disk. More of them would wait for the same disk, each with memory of its own.
const DISK_THREADS: usize = 16;

/// Everything that has been opened and not yet started.
pub(crate) struct Opened {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    launcher: Arc<LauncherClient>,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) queue: Arc<SqliteQueue>,
    code: Arc<FsCode>,
    logs: Arc<LogsSqlite>,
    messages: Arc<SqsSqlite>,
    pub(crate) metrics: Arc<MetricsSqlite>,
    objects: Arc<S3Sqlite>,
    pub(crate) events: Arc<OutboxSqlite>,
    pub(crate) schedules: Arc<OutboxSqlite>,
    pub(crate) topics: Arc<SnsSqlite>,
    identities: Arc<IamSqlite>,
    runtimes: Arc<Catalog>,
    code_source: Arc<dyn CodeSource>,
    tls: TlsAcceptor,
    scope: Scope,
    _lock: DataDirLock,
}

/// What has to be waited for at the end.
struct Running {
    shard: std::thread::JoinHandle<()>,
    log: Arc<LogPipeline>,
    cloudwatch: Arc<CloudWatch>,
}

/// Runs a server until it is told to stop. `ready` is called with the address when requests are taken.
pub(crate) fn run(options: &ServeOptions, ready: impl FnOnce(&str)) -> anyhow::Result<()> {
    options.check()?;
    let opened = open(options)?;
    let listener = std::net::TcpListener::bind(options.listen)
        .with_context(|| format!("--listen {}", options.listen))?;
    listener.set_nonblocking(true)?;
    let url = format!("http://{}", listener.local_addr()?);
    let control = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .max_blocking_threads(DISK_THREADS)
        .thread_name("control")
        .enable_all()
        .build()?;
    let (stop, stopped) = watch::channel(false);
    let running = control.block_on(start(options, &opened, listener, &url, stopped))?;
    // Whole or not at all: others wait for the file and read it at once.
    let unfinished = options.data_dir.join("endpoint.new");
    std::fs::write(&unfinished, format!("{url}\n"))?;
    std::fs::rename(&unfinished, options.data_dir.join("endpoint"))?;
    ready(&url);
    control.block_on(until_told())?;
    tracing::info!(grace_s = options.grace_s, "stopping: running invokes may finish");
    stop.send_replace(true);
    running.shard.join().map_err(|_| anyhow::anyhow!("the shard's thread panicked"))?;
    let flush = async {
        running.log.finish().await;
        running.cloudwatch.settle().await;
    };
    if control.block_on(async { tokio::time::timeout(FLUSH, flush).await }).is_err() {
        tracing::warn!("some log events and metrics were not written");
    }
    let _ = std::fs::remove_file(options.data_dir.join("endpoint"));
    control.shutdown_timeout(Duration::from_secs(1));
    Ok(())
}

fn open(options: &ServeOptions) -> anyhow::Result<Opened> {
    let dir = &options.data_dir;
    make_private(dir).with_context(|| format!("data directory {}", dir.display()))?;
    let dir = &dir.canonicalize()?;
    let lock = DataDirLock::acquire(dir)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let authority = Authority::open(dir, Arc::clone(&clock))?;
    let certificates = authority.add_to("nodejs.pem", NODEJS_CERTIFICATES)?;
    // Before there are threads: the launcher is a copy of this process without them.
    let launcher = LauncherClient::spawn(&LauncherOptions {
        executable: "/proc/self/exe".into(),
        state_dir: dir.join("sandboxes"),
        egress: options.egress.mode(),
        trust: Some(authority.trust_dir().to_owned()),
    })
    .context("sandboxes can't be made on this host; see: lambent doctor")?;
    for degraded in launcher.degraded() {
        tracing::warn!("{degraded}");
    }
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let limits = Limits {
        code_bytes: TOTAL_CODE_BYTES,
        claimed_concurrency: options.account_concurrency.saturating_sub(UNRESERVED_MINIMUM),
    };
    let max_bytes = options.logs_max_mb << 20;
    let scope = Scope {
        account: AccountId::parse(&options.account_id).context("--account-id")?,
        region: Region::parse(&options.region).context("--region")?,
    };
    Ok(Opened {
        launcher: Arc::new(launcher),
        store: SqliteStore::open(dir, &*random, limits)?,
        queue: SqliteQueue::open(dir)?,
        code: Arc::new(FsCode::open(dir)?),
        logs: LogsSqlite::open(dir, LogsOptions { max_bytes }, Arc::clone(&clock))?,
        messages: SqsSqlite::open(dir)?,
        metrics: MetricsSqlite::open(dir, measuring::store_options(options))?,
        objects: S3Sqlite::open(dir, &*random)?,
        events: OutboxSqlite::open(dir, "events")?,
        schedules: OutboxSqlite::open(dir, "scheduler")?,
        topics: SnsSqlite::open(dir)?,
        identities: IamSqlite::open(dir, &*random)?,
        code_source: Arc::new(S3Source::new(options.s3.options()?, Arc::clone(&clock))?),
        runtimes: Arc::new(Catalog::open(
            &options.runtimes_dir(),
            options.strict_runtimes,
            Some(&certificates),
        )),
        tls: TlsAcceptor::from(authority.server_config()?),
        clock,
        random,
        scope,
        _lock: lock,
    })
}

fn make_private(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

fn iam(opened: &Opened) -> Arc<Iam> {
    Iam::new(IamParts {
        store: Arc::clone(&opened.identities) as _,
        clock: Arc::clone(&opened.clock),
        random: Arc::clone(&opened.random),
    })
}

async fn start(
    options: &ServeOptions,
    opened: &Opened,
    listener: std::net::TcpListener,
    url: &str,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<Running> {
    let table = Arc::new(FunctionTable::default());
    opened.store.subscribe(Arc::clone(&table) as Arc<dyn ChangeListener>).await?;
    let (metrics, delivery_metrics) = (Arc::<InvokeMetrics>::default(), Arc::<DeliveryMetrics>::default());
    let board = Arc::new(ProvisionedBoard::default());
    let (client, own_invokes) =
        OwnClient::new(url.to_owned(), remotes(options, opened)?, Arc::clone(&opened.random));
    let collector = Arc::new(Collector::default());
    let meter = Arc::clone(&collector) as Arc<dyn Meter>;
    let mapping_metrics = Arc::new(MappingMetrics::default());
    let mappings = polling::build(opened, &client, &mapping_metrics, &meter).await?;
    let links = Arc::new(CodeLinks::new(&opened.random.bytes16(), Arc::clone(&opened.clock)));
    let control = control(options, opened, &client, &links, &board, &mappings)?;
    control.resume().await;
    let sqs = queues(opened, Arc::clone(&meter), stop.clone());
    let logs = logs(opened, &meter);
    let cloudwatch = measuring::start(opened, collector, Arc::clone(&sqs));
    let own = own_service(opened, links, (&metrics, &delivery_metrics, mapping_metrics, &cloudwatch));
    let s3 = objects(opened, Arc::clone(&client) as Arc<dyn AwsClient>);
    let mut services: Vec<Arc<dyn ApiService>> = vec![
        Arc::new(ControlService(control)),
        Arc::new(CloudWatchService(Arc::clone(&cloudwatch))),
        Arc::new(LogsService(Arc::clone(&logs))),
        Arc::new(Collected(Arc::clone(&s3))),
        Arc::new(topics::start(opened, Arc::clone(&client) as _, url, Arc::clone(&meter), stop.clone())),
        Arc::new(SqsService(sqs)),
        Arc::new(StsService(Arc::new(Sts))),
        Arc::new(IamService(iam(opened))),
        Arc::new(own),
    ];
    services.extend(scheduling::start(opened, &client, &stop).await?);
    services.extend(elsewhere::services(&client));
    client.connect(services.clone());
    let log = LogPipeline::start(logs as Arc<dyn LogSink>, Arc::clone(&opened.clock), Arc::clone(&metrics))?;
    let (invoke, arrivals) = bridge();
    let (events, delivered) = delivering::start(
        options,
        opened,
        Arc::new(invoke),
        client,
        delivery_metrics,
        Arc::clone(&meter),
        stop.clone(),
    );
    let polled = polling::start(mappings, stop.clone());
    let shard = shard_thread::start(ShardSetup {
        listener,
        arrivals,
        own_invokes,
        events,
        make_parts: shard_parts(options, opened, table, board, metrics, meter, Arc::clone(&log)),
        services,
        streaming: vec![s3],
        control: tokio::runtime::Handle::current(),
        lambda_fault: lambda_fault::to_response,
        tls: opened.tls.clone(),
        function_name_pattern: lambent_wire::lambda::shapes::RE_NAMESPACED_FUNCTION_NAME.text(),
        default_scope: opened.scope.clone(),
        stop,
        ended: vec![delivered, polled],
        grace: Duration::from_secs(options.grace_s),
    })?;
    Ok(Running { shard, log, cloudwatch })
}

fn logs(opened: &Opened, meter: &Arc<dyn Meter>) -> Arc<Logs> {
    tokio::spawn(expire(Arc::clone(&opened.logs)));
    let store = Arc::clone(&opened.logs) as Arc<dyn LogStore>;
    Logs::new(store, Arc::clone(&opened.clock), Arc::clone(meter))
}

type Figures<'a> =
    (&'a Arc<InvokeMetrics>, &'a Arc<DeliveryMetrics>, Arc<MappingMetrics>, &'a Arc<CloudWatch>);

fn own_service(opened: &Opened, links: Arc<CodeLinks>, figures: Figures<'_>) -> OwnService {
    let (invoke, delivery, mappings, cloudwatch) = figures;
    let metrics = MetricsPage {
        invoke: Arc::clone(invoke),
        delivery: Arc::clone(delivery),
        mappings,
        queue: Arc::clone(&opened.queue),
        cloudwatch: Arc::clone(cloudwatch),
    };
    let code = Arc::clone(&opened.code) as Arc<dyn CodeStore>;
    OwnService { code, links, metrics, clock: Arc::clone(&opened.clock) }
}

fn control(
    options: &ServeOptions,
    opened: &Opened,
    client: &Arc<OwnClient>,
    links: &Arc<CodeLinks>,
    board: &Arc<ProvisionedBoard>,
    mappings: &Arc<Mappings>,
) -> anyhow::Result<Arc<Control>> {
    Ok(Control::new(ControlParts {
        store: Arc::clone(&opened.store) as Arc<dyn Store>,
        code: Arc::clone(&opened.code) as Arc<dyn CodeStore>,
        s3: code_source(options, opened, client),
        signatures: Arc::new(PackageSignatures::new(signing::profile_keys(
            options.signing_profiles.as_deref(),
        )?)),
        runtimes: Arc::clone(&opened.runtimes) as Arc<dyn RuntimeCatalog>,
        links: Arc::clone(links) as _,
        provisioned: Arc::clone(board) as _,
        event_sources: Arc::clone(mappings) as _,
        clock: Arc::clone(&opened.clock),
        random: Arc::clone(&opened.random),
        account_concurrency: options.account_concurrency,
    }))
}

fn shard_parts(
    options: &ServeOptions,
    opened: &Opened,
    table: Arc<FunctionTable>,
    board: Arc<ProvisionedBoard>,
    metrics: Arc<InvokeMetrics>,
    meter: Arc<dyn Meter>,
    log: Arc<LogPipeline>,
) -> MakeParts {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let concurrent_starts =
        if options.concurrent_starts == 0 { 2 * cores } else { options.concurrent_starts };
    let settings = Options {
        account_concurrency: options.account_concurrency,
        concurrent_starts,
        starts_may_grow: options.concurrent_starts == 0,
        memory_mb: (options.environments_max_mb > 0).then_some(options.environments_max_mb),
        memory_queue: options.memory_queue,
        scaling_rate: options.scaling_rate,
        keep_alive: Duration::from_secs(options.keep_alive_s),
        freeze_after: Duration::from_millis(options.freeze_after_ms),
        parked: ParkedCount {
            floor: options.parked_min.min(options.parked_max),
            ceiling: options.parked_max,
        },
    };
    let sandboxes = Arc::clone(&opened.launcher);
    let runtimes = Arc::clone(&opened.runtimes);
    let code = Arc::clone(&opened.code);
    let (clock, random) = (Arc::clone(&opened.clock), Arc::clone(&opened.random));
    Box::new(move |front, door| ShardParts {
        table,
        sandboxes,
        runtimes,
        code,
        front,
        door,
        log,
        clock,
        random,
        metrics,
        meter,
        board,
        options: settings,
    })
}

async fn expire(logs: Arc<LogsSqlite>) {
    loop {
        tokio::time::sleep(EXPIRE_EVERY).await;
        if let Err(error) = logs.expire().await {
            tracing::warn!(%error, "old log events could not be dropped");
        }
    }
}

fn remotes(options: &ServeOptions, opened: &Opened) -> anyhow::Result<Vec<(&'static str, RemoteClient)>> {
    let client = |(name, remote)| {
        let client = RemoteClient::new(remote, Arc::clone(&opened.clock));
        Ok((name, client.with_context(|| format!("--service-endpoints: {name}"))?))
    };
    options.services.remotes()?.into_iter().map(client).collect()
}

/// The S3 that packages come from: this server's own, unless another is configured.
fn code_source(options: &ServeOptions, opened: &Opened, client: &Arc<OwnClient>) -> Arc<dyn CodeSource> {
    if options.s3.s3_endpoint.is_some() {
        return Arc::clone(&opened.code_source);
    }
    let (client, account) = (Arc::clone(client) as Arc<dyn AwsClient>, opened.scope.account.clone());
    Arc::new(OwnCode { client, account })
}

fn objects(opened: &Opened, others: Arc<dyn AwsClient>) -> Arc<dyn StreamService> {
    let store = Arc::clone(&opened.objects) as Arc<dyn ObjectStore>;
    let s3 = S3::new(store, others, Arc::clone(&opened.clock), Arc::clone(&opened.random));
    let objects = Arc::clone(&opened.objects);
    tokio::spawn(async move {
        match objects.sweep().await {
            Ok(0) => {}
            Ok(removed) => {
                tracing::info!(removed, "files of objects that were not stored to their end are gone")
            }
            Err(error) => tracing::warn!(%error, "files of objects could not be swept"),
        }
    });
    tokio::spawn(Arc::clone(&s3).tell());
    let expiring = Arc::clone(&s3);
    tokio::spawn(async move {
        loop {
            expiring.expire().await;
            tokio::time::sleep(LIFECYCLE_EVERY).await;
        }
    });
    Arc::new(S3Front::new(s3))
}

fn queues(opened: &Opened, meter: Arc<dyn Meter>, stop: watch::Receiver<bool>) -> Arc<Sqs> {
    let store = Arc::clone(&opened.messages) as Arc<dyn MessageStore>;
    let sqs = Sqs::new(store, Arc::clone(&opened.clock), Arc::clone(&opened.random), meter, stop);
    tokio::spawn(sweep(Arc::clone(&sqs)));
    tokio::spawn(Arc::clone(&sqs).run_moves());
    sqs
}

async fn sweep(sqs: Arc<Sqs>) {
    loop {
        match sqs.sweep().await {
            Ok(true) => tokio::task::yield_now().await,
            Ok(false) => tokio::time::sleep(SWEEP_EVERY).await,
            Err(error) => {
                tracing::warn!(%error, "old messages could not be dropped");
                tokio::time::sleep(SWEEP_EVERY).await;
            }
        }
    }
}

/// SIGTERM or SIGINT.
async fn until_told() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
