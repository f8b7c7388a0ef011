//! CreateEventBus, DescribeEventBus, UpdateEventBus, ListEventBuses and DeleteEventBus.

use lambent_api_kit::{Context, Handle};
use lambent_domain::Scope;
use lambent_wire::events::operations::create_event_bus::{CreateEventBusRequest, CreateEventBusResponse};
use lambent_wire::events::operations::delete_event_bus::{DeleteEventBusRequest, DeleteEventBusResponse};
use lambent_wire::events::operations::describe_event_bus::{
    DescribeEventBusRequest, DescribeEventBusResponse,
};
use lambent_wire::events::operations::list_event_buses::{
    self, ListEventBusesRequest, ListEventBusesResponse,
};
use lambent_wire::events::operations::update_event_bus::{UpdateEventBusRequest, UpdateEventBusResponse};
use lambent_wire::events::operations::{
    CreateEventBus, DeleteEventBus, DescribeEventBus, ListEventBuses, UpdateEventBus,
};

use crate::paging::page;
use crate::record::{Bus, BusKey, DEFAULT_BUS};
use crate::state::{State, Write};
use crate::{Events, EventsFault, naming};

/// What can be set on AWS's buses and can't be obeyed here.
fn refuse(kms: bool, dead_letters: bool, logs: bool) -> Result<(), EventsFault> {
    match (kms, dead_letters, logs) {
        (true, ..) => Err(EventsFault::unsupported("KmsKeyIdentifier", "there are no keys of KMS")),
        (_, true, _) => {
            Err(EventsFault::unsupported("DeadLetterConfig", "events are not encrypted with keys of KMS"))
        }
        (.., true) => Err(EventsFault::unsupported("LogConfig", "buses write no logs")),
        _ => Ok(()),
    }
}

impl Handle<CreateEventBus> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        context: Context,
        input: CreateEventBusRequest,
    ) -> Result<CreateEventBusResponse, EventsFault> {
        refuse(
            input.kms_key_identifier.is_some(),
            input.dead_letter_config.is_some(),
            input.log_config.is_some(),
        )?;
        if input.event_source_name.is_some() {
            return Err(EventsFault::unsupported("EventSourceName", "there are no partner event sources"));
        }
        if input.name.contains('/') {
            // AWS documentation: only buses of partners have one.
            return Err(EventsFault::because("Name", "Event bus name must not contain '/'."));
        }
        let key = BusKey { scope: context.scope, bus: input.name };
        let now_ms = self.parts.clock.now_ms();
        let bus = Bus {
            description: input.description.clone(),
            policy: None,
            tags: input.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect(),
            created_ms: now_ms,
            modified_ms: now_ms,
        };
        let arn = key.arn();
        self.change(|state| {
            if state.bus(&key).is_ok() {
                return Err(EventsFault::Exists(format!("Event bus {} already exists.", key.bus)));
            }
            Ok((vec![Write::Bus(key, bus)], ()))
        })
        .await?;
        Ok(CreateEventBusResponse {
            event_bus_arn: Some(arn),
            description: input.description,
            ..Default::default()
        })
    }
}

/// Times are those of buses that somebody made.
fn seconds(at_ms: u64) -> Option<f64> {
    (at_ms > 0).then_some(at_ms as f64 / 1_000.0)
}

impl Handle<DescribeEventBus> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        context: Context,
        input: DescribeEventBusRequest,
    ) -> Result<DescribeEventBusResponse, EventsFault> {
        let key = naming::bus(&context.scope, input.name.as_deref());
        let bus = Bus::clone(&*self.state().bus(&key)?);
        Ok(DescribeEventBusResponse {
            arn: Some(key.arn()),
            name: Some(key.bus),
            description: bus.description,
            policy: bus.policy,
            creation_time: seconds(bus.created_ms),
            last_modified_time: seconds(bus.modified_ms),
            ..Default::default()
        })
    }
}

impl Handle<UpdateEventBus> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        context: Context,
        input: UpdateEventBusRequest,
    ) -> Result<UpdateEventBusResponse, EventsFault> {
        refuse(
            input.kms_key_identifier.is_some(),
            input.dead_letter_config.is_some(),
            input.log_config.is_some(),
        )?;
        let key = naming::bus(&context.scope, input.name.as_deref());
        let (arn, name) = (key.arn(), key.bus.clone());
        let now_ms = self.parts.clock.now_ms();
        let description = input.description.clone();
        self.change(|state| {
            let known = Bus::clone(&*state.bus(&key)?);
            let bus = Bus { description, modified_ms: now_ms, ..known };
            Ok((vec![Write::Bus(key, bus)], ()))
        })
        .await?;
        Ok(UpdateEventBusResponse {
            arn: Some(arn),
            name: Some(name),
            description: input.description,
            ..Default::default()
        })
    }
}

/// Buses of a scope by name, the default one among them.
fn buses(state: &State, scope: &Scope, prefix: &str) -> Vec<(BusKey, Bus)> {
    let known = state.buses.iter().filter(|(key, _)| key.scope == *scope && key.bus != DEFAULT_BUS);
    let default = BusKey { scope: scope.clone(), bus: DEFAULT_BUS.into() };
    let default_bus = state.bus(&default).map(|bus| Bus::clone(&bus)).unwrap_or_default();
    let known = known.map(|(key, bus)| (key.clone(), Bus::clone(bus)));
    let mut all: Vec<_> = known.chain([(default, default_bus)]).collect();
    all.retain(|(key, _)| key.bus.starts_with(prefix));
    all.sort_unstable_by(|(a, _), (b, _)| a.bus.cmp(&b.bus));
    all
}

impl Handle<ListEventBuses> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        context: Context,
        input: ListEventBusesRequest,
    ) -> Result<ListEventBusesResponse, EventsFault> {
        let all = buses(&self.state(), &context.scope, input.name_prefix.as_deref().unwrap_or_default());
        let (found, next_token) =
            page(all.into_iter(), |(key, _)| &key.bus, input.next_token.as_deref(), input.limit)?;
        let shown = |(key, bus): (BusKey, Bus)| list_event_buses::EventBus {
            arn: Some(key.arn()),
            name: Some(key.bus),
            description: bus.description,
            policy: bus.policy,
            creation_time: seconds(bus.created_ms),
            last_modified_time: seconds(bus.modified_ms),
            managed_by: None,
        };
        Ok(ListEventBusesResponse { event_buses: Some(found.into_iter().map(shown).collect()), next_token })
    }
}

impl Handle<DeleteEventBus> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteEventBusRequest,
    ) -> Result<DeleteEventBusResponse, EventsFault> {
        let key = naming::bus(&context.scope, Some(&input.name));
        if key.bus == DEFAULT_BUS {
            return Err(EventsFault::Validation("Cannot delete event bus default.".into()));
        }
        self.change(|state| {
            if state.rules_of(&key, "").next().is_some() {
                return Err(EventsFault::Validation("Event bus can't be deleted since it has rules.".into()));
            }
            // One that is not there is deleted, too (AWS).
            let known = state.buses.contains_key(&key);
            Ok((known.then_some(Write::DeleteBus(key)).into_iter().collect(), ()))
        })
        .await?;
        Ok(DeleteEventBusResponse::default())
    }
}
