//! PutLogEvents: on disk before the answer. Events that are too old or too new are reported, and the rest is kept.

use lambent_api_kit::{Context, Handle};
use lambent_ports::log_store::Position;
use lambent_ports::logs::LogEvent;
use lambent_wire::logs::operations::PutLogEvents;
use lambent_wire::logs::operations::put_log_events::{
    InputLogEvent, PutLogEventsRequest, PutLogEventsResponse, RejectedLogEventsInfo,
};

use crate::{Logs, LogsFault, token};

/// Batch limits (`facts` 7.1).
const MAX_BATCH_BYTES: usize = 1_048_576;
const EVENT_OVERHEAD_BYTES: usize = 26;
const HOUR_MS: u64 = 3_600_000;
const MAX_SPAN_MS: u64 = 24 * HOUR_MS;
const MAX_AGE_MS: u64 = 14 * 24 * HOUR_MS;
const MAX_AHEAD_MS: u64 = 2 * HOUR_MS;

impl Handle<PutLogEvents> for Logs {
    type Fault = LogsFault;

    async fn handle(
        &self,
        context: Context,
        input: PutLogEventsRequest,
    ) -> Result<PutLogEventsResponse, LogsFault> {
        check(&input.log_events)?;
        let group = self.store.group(&context.scope, &input.log_group_name).await?;
        let now_ms = self.clock.now_ms();
        let oldest_ms = now_ms.saturating_sub(MAX_AGE_MS);
        let kept_ms = group.retention_days.map(|days| now_ms.saturating_sub(u64::from(days) * 24 * HOUR_MS));
        let count = |before_ms: u64| input.log_events.iter().filter(|event| at(event) < before_ms).count();
        let too_old = count(oldest_ms);
        let expired = kept_ms.map_or(0, count);
        let too_new = count(now_ms + MAX_AHEAD_MS + 1);
        let first = too_old.max(expired);
        let kept: Vec<LogEvent> = input
            .log_events
            .iter()
            .take(too_new)
            .skip(first)
            .map(|event| LogEvent { timestamp_ms: at(event), message: event.message.clone() })
            .collect();
        let all = kept.len() == input.log_events.len();
        let data = self.metrics_of(&kept);
        self.store.append(&context.scope, &input.log_group_name, &input.log_stream_name, kept, false).await?;
        self.measure(&context.scope, data);
        let info = RejectedLogEventsInfo {
            too_new_log_event_start_index: (too_new < input.log_events.len()).then_some(too_new as i32),
            too_old_log_event_end_index: (too_old > 0).then_some(too_old as i32),
            expired_log_event_end_index: (expired > too_old).then_some(expired as i32),
        };
        let next = token::event_id(Position { timestamp_ms: now_ms, id: 0 });
        Ok(PutLogEventsResponse {
            next_sequence_token: Some(next),
            rejected_log_events_info: (!all).then_some(info),
            rejected_entity_info: None,
        })
    }
}

fn at(event: &InputLogEvent) -> u64 {
    event.timestamp.max(0).unsigned_abs()
}

fn check(events: &[InputLogEvent]) -> Result<(), LogsFault> {
    let refuse = |text: &str| Err(LogsFault::InvalidParameter(text.to_owned()));
    if !events.is_sorted_by_key(at) {
        return refuse("Log events in a single PutLogEvents request must be in chronological order.");
    }
    let bytes: usize = events.iter().map(|event| event.message.len() + EVENT_OVERHEAD_BYTES).sum();
    if bytes > MAX_BATCH_BYTES {
        return refuse("Upload too large: the batch of log events exceeds 1048576 bytes.");
    }
    if let (Some(first), Some(last)) = (events.first(), events.last())
        && at(last) - at(first) > MAX_SPAN_MS
    {
        return refuse(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        );
    }
    Ok(())
}
