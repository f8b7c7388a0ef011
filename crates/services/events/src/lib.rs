//! EventBridge: buses, rules by pattern and by schedule, targets, archives and replays. An event that was accepted is on
//! the disk with a message for each of its targets; `lambent-targets` sees these through.

mod access;
mod dispatching;
mod event;
mod fault;
mod input;
mod naming;
mod not_yet;
mod operations;
mod paging;
mod path;
mod policy;
mod record;
mod replaying;
mod schedules;
mod state;
mod template;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use async_trait::async_trait;
use bytes::Bytes;
use lambent_api_kit::{Entry, Registry};
use lambent_kit::clock::Clock;
use lambent_kit::random::Random;
use lambent_ports::api::{ApiRequest, ApiService};
use lambent_ports::outbox::{Change, Outbox};
use lambent_targets::{PASSED_ON, Sender};
use lambent_wire::events;
use lambent_wire::events::operations as op;
use tokio::sync::Notify;

pub use fault::EventsFault;
use state::{State, Write};

/// What EventBridge is built of.
pub struct EventsParts {
    /// Records and messages.
    pub outbox: Arc<dyn Outbox>,
    /// Sends the messages.
    pub sender: Arc<Sender>,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub random: Arc<dyn Random>,
}

/// The state that operations are handled on.
pub struct Events {
    parts: EventsParts,
    state: RwLock<State>,
    /// Whoever changes records, one after the other.
    turns: tokio::sync::Mutex<()>,
    /// A rule's schedule is another one.
    schedules_changed: Notify,
    /// There is something to replay.
    replays_changed: Notify,
}

/// Every operation.
pub const REGISTRY: Registry<Events, EventsFault> = Registry {
    protocol: events::PROTOCOL,
    target_prefix: events::TARGET_PREFIX,
    routes: events::ROUTES,
    operations: OPERATIONS,
    not_yet: not_yet::NOT_YET,
};

const OPERATIONS: &[Entry<Events, EventsFault>] = &[
    Entry::of::<op::CancelReplay>(),
    Entry::of::<op::CreateArchive>(),
    Entry::of::<op::CreateEventBus>(),
    Entry::of::<op::DeleteArchive>(),
    Entry::of::<op::DeleteEventBus>(),
    Entry::of::<op::DeleteRule>(),
    Entry::of::<op::DescribeArchive>(),
    Entry::of::<op::DescribeEventBus>(),
    Entry::of::<op::DescribeReplay>(),
    Entry::of::<op::DescribeRule>(),
    Entry::of::<op::DisableRule>(),
    Entry::of::<op::EnableRule>(),
    Entry::of::<op::ListArchives>(),
    Entry::of::<op::ListEventBuses>(),
    Entry::of::<op::ListReplays>(),
    Entry::of::<op::ListRuleNamesByTarget>(),
    Entry::of::<op::ListRules>(),
    Entry::of::<op::ListTagsForResource>(),
    Entry::of::<op::ListTargetsByRule>(),
    Entry::of::<op::PutEvents>(),
    Entry::of::<op::PutPermission>(),
    Entry::of::<op::PutRule>(),
    Entry::of::<op::PutTargets>(),
    Entry::of::<op::RemovePermission>(),
    Entry::of::<op::RemoveTargets>(),
    Entry::of::<op::StartReplay>(),
    Entry::of::<op::TagResource>(),
    Entry::of::<op::TestEventPattern>(),
    Entry::of::<op::UntagResource>(),
    Entry::of::<op::UpdateArchive>(),
    Entry::of::<op::UpdateEventBus>(),
];

impl Events {
    /// Reads what is kept. [`Events::run_schedules`] and [`Events::run_replays`] do what is to be done without being asked.
    pub async fn open(parts: EventsParts) -> Result<Arc<Self>, EventsFault> {
        let state = State::read(parts.outbox.records().await?)?;
        Ok(Arc::new(Events {
            parts,
            state: RwLock::new(state),
            turns: tokio::sync::Mutex::default(),
            schedules_changed: Notify::new(),
            replays_changed: Notify::new(),
        }))
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes records: `decide` sees the state that its writes replace.
    async fn change<T>(
        &self,
        decide: impl FnOnce(&State) -> Result<(Vec<Write>, T), EventsFault>,
    ) -> Result<T, EventsFault> {
        let _turn = self.turns.lock().await;
        let (writes, answer) = decide(&self.state())?;
        self.write(writes, Vec::new()).await?;
        Ok(answer)
    }

    /// Writes with whatever else is to happen with it; only by who has the turn.
    async fn write(&self, writes: Vec<Write>, mut also: Vec<Change>) -> Result<(), EventsFault> {
        also.extend(writes.iter().map(Write::change));
        self.parts.sender.commit(also).await?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        writes.into_iter().try_for_each(|write| state.apply(write))?;
        drop(state);
        self.schedules_changed.notify_one();
        Ok(())
    }
}

tokio::task_local! {
    /// Whether the request that is being answered comes from another bus.
    static FROM_A_BUS: bool;
}

/// EventBridge as a service.
pub struct EventsService(pub Arc<Events>);

#[async_trait]
impl ApiService for EventsService {
    fn signing_name(&self) -> &'static str {
        "events"
    }

    async fn call(&self, request: ApiRequest) -> http::Response<Bytes> {
        let from_a_bus = request.caller.principal.is_some() && request.headers.contains_key(PASSED_ON);
        FROM_A_BUS.scope(from_a_bus, REGISTRY.answer(Arc::clone(&self.0), request)).await
    }
}

#[cfg(test)]
mod tests;
