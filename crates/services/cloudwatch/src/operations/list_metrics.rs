//! ListMetrics: those with a datum in the past two weeks, 500 to a page.

use lambent_api_kit::{Context, Handle};
use lambent_ports::metric_store::{Metric, MetricQuery};
use lambent_wire::cloudwatch::operations::ListMetrics;
use lambent_wire::cloudwatch::operations::list_metrics::{ListMetricsInput, ListMetricsOutput};
use lambent_wire::cloudwatch::types;

use crate::{CloudWatch, CloudWatchFault, token};

const PAGE: usize = 500;
const TWO_WEEKS_MS: u64 = 14 * 86_400_000;
const THREE_HOURS_MS: u64 = 3 * 3_600_000;
const TOKEN: &str = "metrics";

impl Handle<ListMetrics> for CloudWatch {
    type Fault = CloudWatchFault;

    async fn handle(
        &self,
        context: Context,
        input: ListMetricsInput,
    ) -> Result<ListMetricsOutput, CloudWatchFault> {
        self.settle().await;
        let age_ms = if input.recently_active.is_some() { THREE_HOURS_MS } else { TWO_WEEKS_MS };
        let dimensions = input.dimensions.unwrap_or_default();
        let query = MetricQuery {
            namespace: input.namespace,
            name: input.metric_name,
            dimensions: dimensions.into_iter().map(|filter| (filter.name, filter.value)).collect(),
            since_ms: self.clock.now_ms().saturating_sub(age_ms),
            beyond: token::read(TOKEN, input.next_token.as_deref())?,
            limit: PAGE + 1,
        };
        let account = context.scope.account.to_string();
        // No account is linked with another here.
        let elsewhere = input.owning_account.is_some_and(|owner| owner != account);
        let mut found =
            if elsewhere { Vec::new() } else { self.store.metrics(&context.scope, query).await? };
        let next = (found.len() > PAGE).then(|| {
            found.truncate(PAGE);
            token::write(TOKEN, found[PAGE - 1].0)
        });
        let linked = input.include_linked_accounts == Some(true);
        Ok(ListMetricsOutput {
            owning_accounts: linked.then(|| vec![account; found.len()]),
            metrics: Some(found.into_iter().map(|(_, metric)| shown(metric)).collect()),
            next_token: next,
        })
    }
}

fn shown(metric: Metric) -> types::Metric {
    let dimension = |(name, value)| types::Dimension { name, value };
    types::Metric {
        namespace: Some(metric.namespace),
        metric_name: Some(metric.name),
        dimensions: Some(metric.dimensions.into_iter().map(dimension).collect()),
    }
}
