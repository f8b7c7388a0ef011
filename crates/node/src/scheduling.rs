//! EventBridge and its Scheduler, wired: their storage, their senders, and what they do without being asked.

use std::sync::Arc;

use anyhow::anyhow;
use lambent_events::{Events, EventsParts, EventsService};
use lambent_outbox_sqlite::OutboxSqlite;
use lambent_ports::api::ApiService;
use lambent_ports::aws_client::AwsClient;
use lambent_ports::outbox::Outbox;
use lambent_scheduler::{Scheduler, SchedulerParts, SchedulerService};
use lambent_targets::{Sender, SenderParts};
use tokio::sync::watch;

use crate::own_client::OwnClient;
use crate::server::Opened;

/// The services, with their loops running until `stop` turns true.
pub(crate) async fn start(
    opened: &Opened,
    client: &Arc<OwnClient>,
    stop: &watch::Receiver<bool>,
) -> anyhow::Result<Vec<Arc<dyn ApiService>>> {
    let (outbox, sender) = sender(opened, &opened.events, client).await?;
    let parts = EventsParts {
        outbox,
        sender: Arc::clone(&sender),
        clock: Arc::clone(&opened.clock),
        random: Arc::clone(&opened.random),
    };
    let events = Events::open(parts).await.map_err(|error| anyhow!("events.sqlite: {error:?}"))?;
    tokio::spawn(sender.run(stop.clone()));
    tokio::spawn(Arc::clone(&events).run_schedules(stop.clone()));
    tokio::spawn(Arc::clone(&events).run_replays(stop.clone()));
    let (outbox, sender) = self::sender(opened, &opened.schedules, client).await?;
    let parts = SchedulerParts {
        outbox,
        sender: Arc::clone(&sender),
        clock: Arc::clone(&opened.clock),
        random: Arc::clone(&opened.random),
    };
    let scheduler = Scheduler::open(parts).await.map_err(|error| anyhow!("scheduler.sqlite: {error:?}"))?;
    tokio::spawn(sender.run(stop.clone()));
    tokio::spawn(Arc::clone(&scheduler).run(stop.clone()));
    Ok(vec![Arc::new(EventsService(events)), Arc::new(SchedulerService(scheduler))])
}

/// A sender that has taken up what an earlier server left.
async fn sender(
    opened: &Opened,
    outbox: &Arc<OutboxSqlite>,
    client: &Arc<OwnClient>,
) -> anyhow::Result<(Arc<dyn Outbox>, Arc<Sender>)> {
    let outbox = Arc::clone(outbox) as Arc<dyn Outbox>;
    let sender = Sender::new(SenderParts {
        outbox: Arc::clone(&outbox),
        client: Arc::clone(client) as Arc<dyn AwsClient>,
        clock: Arc::clone(&opened.clock),
        random: Arc::clone(&opened.random),
    });
    sender.take_up().await?;
    Ok((outbox, sender))
}
