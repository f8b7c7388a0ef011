//! StartReplay, DescribeReplay, ListReplays and CancelReplay.

use lambent_api_kit::{Context, Handle};
use lambent_wire::events::operations::cancel_replay::{CancelReplayRequest, CancelReplayResponse};
use lambent_wire::events::operations::describe_replay::{DescribeReplayRequest, DescribeReplayResponse};
use lambent_wire::events::operations::list_replays::{self, ListReplaysRequest, ListReplaysResponse};
use lambent_wire::events::operations::start_replay::{StartReplayRequest, StartReplayResponse};
use lambent_wire::events::operations::{CancelReplay, DescribeReplay, ListReplays, StartReplay};
use lambent_wire::events::types::ReplayDestination;

use super::archives::source;
use super::put_events::millis;
use crate::paging::page;
use crate::record::{BusKey, NameKey, Replay, ReplayState, arn};
use crate::state::{State, Write};
use crate::{Events, EventsFault, naming};

/// Replays at the same time (recorded).
const MAX_ACTIVE: usize = 10;

fn replay_arn(key: &NameKey) -> String {
    arn(&key.scope, &format!("replay/{}", key.name))
}

fn archive_arn(key: &NameKey, replay: &Replay) -> String {
    arn(&key.scope, &format!("archive/{}", replay.archive))
}

fn seconds(at_ms: u64) -> f64 {
    at_ms as f64 / 1_000.0
}

impl Handle<StartReplay> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        context: Context,
        input: StartReplayRequest,
    ) -> Result<StartReplayResponse, EventsFault> {
        let key = NameKey { scope: context.scope, name: input.replay_name.clone() };
        let now_ms = self.parts.clock.now_ms();
        self.change(|state| {
            let replay = started(state, &key, input, now_ms)?;
            Ok((vec![Write::Replay(key.clone(), replay)], ()))
        })
        .await?;
        self.replays_changed.notify_one();
        Ok(StartReplayResponse {
            replay_arn: Some(replay_arn(&key)),
            state: Some(ReplayState::Starting.as_str().into()),
            state_reason: None,
            replay_start_time: Some(seconds(now_ms)),
        })
    }
}

fn started(
    state: &State,
    key: &NameKey,
    input: StartReplayRequest,
    now_ms: u64,
) -> Result<Replay, EventsFault> {
    let bus = source(&input.destination.arn).map_err(|_| EventsFault::parameter("Destination.Arn"))?;
    state.bus(&bus)?;
    let named = naming::of_kind(&input.event_source_arn, "archive");
    let (scope, name) = named.ok_or_else(|| EventsFault::parameter("EventSourceArn"))?;
    let archive = state.archive(&NameKey { scope: scope.clone(), name: name.to_owned() })?;
    if scope != bus.scope || archive.bus != bus.bus {
        return Err(EventsFault::because("Destination.Arn", "Cross event bus replay is not permitted."));
    }
    if state.replays.contains_key(key) {
        return Err(EventsFault::Exists(format!("Replay {} already exists.", key.name)));
    }
    let (from_ms, until_ms) = (millis(input.event_start_time), millis(input.event_end_time));
    if from_ms >= until_ms {
        return Err(EventsFault::because("EventEndTime", "EventStartTime must be before EventEndTime."));
    }
    let active =
        state.replays.iter().filter(|(other, replay)| other.scope == key.scope && !replay.state.is_over());
    if active.count() >= MAX_ACTIVE {
        return Err(EventsFault::Limit);
    }
    Ok(Replay {
        archive: name.to_owned(),
        journal: archive.journal.clone(),
        bus: bus.bus,
        filters: input.destination.filter_arns,
        description: input.description,
        state: ReplayState::Starting,
        from_ms: from_ms.max(archive.oldest_ms(now_ms)),
        until_ms,
        position: None,
        started_ms: now_ms,
        ended_ms: None,
    })
}

impl Handle<DescribeReplay> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        context: Context,
        input: DescribeReplayRequest,
    ) -> Result<DescribeReplayResponse, EventsFault> {
        let key = NameKey { scope: context.scope, name: input.replay_name };
        let replay = self.state().replays.get(&key).cloned().ok_or_else(|| missing(&key))?;
        let bus = BusKey { scope: key.scope.clone(), bus: replay.bus.clone() };
        Ok(DescribeReplayResponse {
            replay_name: Some(key.name.clone()),
            replay_arn: Some(replay_arn(&key)),
            description: replay.description.clone(),
            state: Some(replay.state.as_str().into()),
            state_reason: None,
            event_source_arn: Some(archive_arn(&key, &replay)),
            destination: Some(ReplayDestination { arn: bus.arn(), filter_arns: replay.filters.clone() }),
            event_start_time: Some(seconds(replay.from_ms)),
            event_end_time: Some(seconds(replay.until_ms)),
            event_last_replayed_time: replay.position.map(|(at_ms, _)| seconds(at_ms)),
            replay_start_time: Some(seconds(replay.started_ms)),
            replay_end_time: replay.ended_ms.map(seconds),
        })
    }
}

fn missing(key: &NameKey) -> EventsFault {
    EventsFault::NotFound(format!("Replay {} does not exist.", key.name))
}

impl Handle<ListReplays> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        context: Context,
        input: ListReplaysRequest,
    ) -> Result<ListReplaysResponse, EventsFault> {
        let prefix = input.name_prefix.unwrap_or_default();
        let state = self.state();
        let wanted = |key: &NameKey, replay: &Replay| {
            key.scope == context.scope
                && key.name.starts_with(&prefix)
                && input.state.as_deref().is_none_or(|state| state == replay.state.as_str())
                && input.event_source_arn.as_ref().is_none_or(|source| *source == archive_arn(key, replay))
        };
        let all = state.replays.iter().filter(|(key, replay)| wanted(key, replay));
        let (found, next_token) = page(all, |(key, _)| &key.name, input.next_token.as_deref(), input.limit)?;
        let shown = |(key, replay): (&NameKey, &std::sync::Arc<Replay>)| list_replays::Replay {
            replay_name: Some(key.name.clone()),
            event_source_arn: Some(archive_arn(key, replay)),
            state: Some(replay.state.as_str().into()),
            state_reason: None,
            event_start_time: Some(seconds(replay.from_ms)),
            event_end_time: Some(seconds(replay.until_ms)),
            event_last_replayed_time: replay.position.map(|(at_ms, _)| seconds(at_ms)),
            replay_start_time: Some(seconds(replay.started_ms)),
            replay_end_time: replay.ended_ms.map(seconds),
        };
        Ok(ListReplaysResponse { replays: Some(found.into_iter().map(shown).collect()), next_token })
    }
}

impl Handle<CancelReplay> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        context: Context,
        input: CancelReplayRequest,
    ) -> Result<CancelReplayResponse, EventsFault> {
        let key = NameKey { scope: context.scope, name: input.replay_name };
        self.change(|state| {
            let mut replay = Replay::clone(state.replays.get(&key).ok_or_else(|| missing(&key))?);
            if !matches!(replay.state, ReplayState::Starting | ReplayState::Running) {
                let text = format!("Replay {} is not in a valid state for this operation.", key.name);
                return Err(EventsFault::IllegalStatus(text));
            }
            replay.state = ReplayState::Cancelling;
            Ok((vec![Write::Replay(key.clone(), replay)], ()))
        })
        .await?;
        self.replays_changed.notify_one();
        Ok(CancelReplayResponse {
            replay_arn: Some(replay_arn(&key)),
            state: Some(ReplayState::Cancelling.as_str().into()),
            state_reason: None,
        })
    }
}
