//! Event source mappings, wired.

use std::sync::Arc;

use lambent_mappings::{MappingMetrics, Mappings};
use lambent_ports::meter::Meter;
use lambent_ports::store::{ChangeListener, Store};
use tokio::sync::watch;

use crate::own_client::OwnClient;
use crate::server::Opened;

/// The pollers, which follow the store. Nothing is polled yet.
pub(crate) async fn build(
    opened: &Opened,
    client: &Arc<OwnClient>,
    metrics: &Arc<MappingMetrics>,
    meter: &Arc<dyn Meter>,
) -> anyhow::Result<Arc<Mappings>> {
    let store = Arc::clone(&opened.store) as Arc<dyn Store>;
    let (metrics, meter, clock) = (Arc::clone(metrics), Arc::clone(meter), Arc::clone(&opened.clock));
    let mappings = Mappings::new(store, Arc::clone(client) as _, metrics, meter, clock);
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
