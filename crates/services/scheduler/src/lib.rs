//! EventBridge Scheduler: schedules with their groups and targets. What is due becomes a message in the commit that notes
//! that it was due; `lambent-targets` sees it through.

mod access;
mod calls;
mod fault;
mod firing;
mod operations;
mod paging;
mod record;
mod state;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use async_trait::async_trait;
use bytes::Bytes;
use lambent_api_kit::{Entry, Registry};
use lambent_kit::clock::Clock;
use lambent_kit::random::Random;
use lambent_ports::api::{ApiRequest, ApiService};
use lambent_ports::outbox::{Change, Outbox};
use lambent_targets::Sender;
use lambent_wire::scheduler;
use lambent_wire::scheduler::operations as op;
use tokio::sync::Notify;

pub use fault::SchedulerFault;
use state::{State, Write};

/// What the scheduler is built of.
pub struct SchedulerParts {
    /// Records and messages.
    pub outbox: Arc<dyn Outbox>,
    /// Sends the messages.
    pub sender: Arc<Sender>,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// Ids, and where in a flexible window a time falls.
    pub random: Arc<dyn Random>,
}

/// The state that operations are handled on.
pub struct Scheduler {
    parts: SchedulerParts,
    state: RwLock<State>,
    /// Whoever changes records, one after the other.
    turns: tokio::sync::Mutex<()>,
    changed: Notify,
}

/// Every operation.
pub const REGISTRY: Registry<Scheduler, SchedulerFault> = Registry {
    protocol: scheduler::PROTOCOL,
    target_prefix: scheduler::TARGET_PREFIX,
    routes: scheduler::ROUTES,
    operations: &[
        Entry::of::<op::CreateSchedule>(),
        Entry::of::<op::CreateScheduleGroup>(),
        Entry::of::<op::DeleteSchedule>(),
        Entry::of::<op::DeleteScheduleGroup>(),
        Entry::of::<op::GetSchedule>(),
        Entry::of::<op::GetScheduleGroup>(),
        Entry::of::<op::ListScheduleGroups>(),
        Entry::of::<op::ListSchedules>(),
        Entry::of::<op::ListTagsForResource>(),
        Entry::of::<op::TagResource>(),
        Entry::of::<op::UntagResource>(),
        Entry::of::<op::UpdateSchedule>(),
    ],
    not_yet: &[],
};

impl Scheduler {
    /// Reads what is kept. [`Scheduler::run`] fires what is due.
    pub async fn open(parts: SchedulerParts) -> Result<Arc<Self>, SchedulerFault> {
        let state = State::read(parts.outbox.records().await?)?;
        let state = RwLock::new(state);
        Ok(Arc::new(Scheduler { parts, state, turns: tokio::sync::Mutex::default(), changed: Notify::new() }))
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes records: `decide` sees the state that its writes replace.
    async fn change<T>(
        &self,
        decide: impl FnOnce(&State) -> Result<(Vec<Write>, T), SchedulerFault>,
    ) -> Result<T, SchedulerFault> {
        let _turn = self.turns.lock().await;
        let (writes, answer) = decide(&self.state())?;
        self.write(writes, Vec::new()).await?;
        Ok(answer)
    }

    /// Writes with whatever else is to happen with it; only by who has the turn.
    async fn write(&self, writes: Vec<Write>, mut also: Vec<Change>) -> Result<(), SchedulerFault> {
        also.extend(writes.iter().map(Write::change));
        self.parts.sender.commit(also).await?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        writes.into_iter().for_each(|write| state.apply(write));
        drop(state);
        self.changed.notify_one();
        Ok(())
    }
}

/// EventBridge Scheduler as a service.
pub struct SchedulerService(pub Arc<Scheduler>);

#[async_trait]
impl ApiService for SchedulerService {
    fn signing_name(&self) -> &'static str {
        "scheduler"
    }

    async fn call(&self, request: ApiRequest) -> http::Response<Bytes> {
        REGISTRY.answer(Arc::clone(&self.0), request).await
    }
}

#[cfg(test)]
mod tests;
