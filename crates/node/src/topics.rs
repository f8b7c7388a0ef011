//! SNS, wired.

use std::sync::Arc;

use lambent_aws_client::HttpPoster;
use lambent_ports::aws_client::AwsClient;
use lambent_ports::meter::Meter;
use lambent_sns::{Sns, SnsParts, SnsService};
use tokio::sync::watch;

use crate::server::Opened;

/// Builds it and starts its deliveries.
pub(crate) fn start(
    opened: &Opened,
    client: Arc<dyn AwsClient>,
    url: &str,
    meter: Arc<dyn Meter>,
    stop: watch::Receiver<bool>,
) -> SnsService {
    let sns = Sns::new(SnsParts {
        store: Arc::clone(&opened.topics) as _,
        aws: client,
        http: Arc::new(HttpPoster::default()),
        clock: Arc::clone(&opened.clock),
        meter,
        random: Arc::clone(&opened.random),
        base_url: url.to_owned(),
    });
    tokio::spawn(Arc::clone(&sns).run(stop));
    SnsService(sns)
}
