//! Event source mappings, wired.

use std::sync::Arc;

use lambent_mappings::{MappingMetrics, Mappings};
use lambent_ports::aws_client::AwsClient;
use lambent_ports::store::{ChangeListener, Store};
use tokio::sync::watch;

use crate::server::Opened;

/// The pollers, which follow the store. Nothing is polled yet.
pub(crate) async fn build(
    opened: &Opened,
    client: Arc<dyn AwsClient>,
    metrics: Arc<MappingMetrics>,
) -> anyhow::Result<Arc<Mappings>> {
    let mappings = Mappings::new(Arc::clone(&opened.store) as Arc<dyn Store>, client, metrics);
    opened.store.subscribe(Arc::clone(&mappings) as Arc<dyn ChangeListener>).await?;
    Ok(mappings)
}

/// Starts the pollers. What is given turns true when, after a stop, functions have nothing of theirs any more.
pub(crate) fn start(mappings: Arc<Mappings>, stop: watch::Receiver<bool>) -> watch::Receiver<bool> {
    let (done, is_done) = watch::channel(false);
    tokio::spawn(async move {
        mappings.run(stop).await;
        done.send_replace(true);
    });
    is_done
}
