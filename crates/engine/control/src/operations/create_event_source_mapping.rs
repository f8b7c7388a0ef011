//! CreateEventSourceMapping: 202. Checked as AWS checks it, the queue included. A source that can't be read here is refused
//! by its name: a mapping that never delivers must not be stored.

use lambent_api_kit::{Context, Handle};
use lambent_domain::{Epoch, EventSourceMapping, Fault, MappingKey, MappingState};
use lambent_ports::store::{RecordKey, Write};
use lambent_wire::lambda::operations::CreateEventSourceMapping;
use lambent_wire::lambda::operations::create_event_source_mapping::CreateEventSourceMappingRequest;
use lambent_wire::lambda::types::EventSourceMappingConfiguration;

use crate::event_source::{Kind, check, counts_events, patterns, pollers, reports_item_failures};
use crate::mapping::shown;
use crate::settings::check_tags;
use crate::target::Target;
use crate::{Control, store_fault};

/// Records of an SQS batch when nothing is said (model).
const DEFAULT_BATCH: i32 = 10;

impl Handle<CreateEventSourceMapping> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: CreateEventSourceMappingRequest,
    ) -> Result<EventSourceMappingConfiguration, Fault> {
        let kind = Kind::of(&input)?;
        check(kind, &input)?;
        check_tags(input.tags.as_ref().unwrap_or(&Default::default()))?;
        let target = Target::parse(&input.function_name, None, &context.scope)?;
        let function = self.mapped_function(&target)?;
        let (Kind::Sqs { .. }, Some(arn)) = (kind, &input.event_source_arn) else {
            return Err(Fault::InvalidParameter(format!(
                "Event sources are not available here yet: {} can't be read.",
                kind.name()
            )));
        };
        self.check_queue(arn, &function, &target).await?;
        // Of two creations at once the second one sees the first.
        let _turn = self.turns.take(RecordKey::Function(target.key.clone())).await;
        self.expect_no_other(arn, &target)?;
        let enabled = input.enabled != Some(false);
        let mapping = EventSourceMapping {
            key: MappingKey { scope: context.scope, uuid: self.new_revision().to_string() },
            epoch: Epoch::NEW,
            source_arn: arn.clone(),
            function: target.key,
            qualifier: target.qualifier,
            batch_size: input.batch_size.unwrap_or(DEFAULT_BATCH).unsigned_abs(),
            batching_window_s: input.maximum_batching_window_in_seconds.unwrap_or_default().unsigned_abs(),
            filters: patterns(input.filter_criteria.as_ref()),
            reports_item_failures: reports_item_failures(input.function_response_types.as_deref()),
            maximum_concurrency: input
                .scaling_config
                .and_then(|config| config.maximum_concurrency)
                .map(i32::unsigned_abs),
            provisioned_pollers: pollers(input.provisioned_poller_config.as_ref())?,
            counts_events: counts_events(input.metrics_config.as_ref()),
            tags: input.tags.unwrap_or_default(),
            state: if enabled { MappingState::Creating } else { MappingState::Disabled },
            modified: self.now(),
        };
        self.parts.store.commit(vec![Write::from(mapping.clone())]).await.map_err(store_fault)?;
        Ok(shown(&mapping, None))
    }
}

impl Control {
    /// A function is mapped to a queue once, each of its versions and aliases by itself.
    fn expect_no_other(&self, arn: &str, target: &Target) -> Result<(), Fault> {
        let mappings = self.parts.store.mappings(&target.key.scope, None, usize::MAX);
        let other = mappings.into_iter().find(|mapping| {
            mapping.source_arn == arn
                && mapping.function == target.key
                && mapping.qualifier == target.qualifier
        });
        match other {
            None => Ok(()),
            Some(other) => Err(Fault::Conflict(format!(
                "An event source mapping with SQS arn (\" {arn} \") and function (\" {} \") already exists. Please update or delete the existing mapping with UUID {}",
                target.key.name, other.key.uuid
            ))),
        }
    }
}
