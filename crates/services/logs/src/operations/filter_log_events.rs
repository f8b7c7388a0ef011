//! FilterLogEvents: a whole group, in order of time, with a pattern. A page may be empty and still have a next one: a call
//! looks at a bounded number of events.

use lambent_api_kit::{Context, Handle};
use lambent_ports::log_store::{EventQuery, Position, StoredEvent};
use lambent_wire::logs::operations::FilterLogEvents;
use lambent_wire::logs::operations::filter_log_events::{
    FilterLogEventsRequest, FilterLogEventsResponse, FilteredLogEvent,
};

use crate::pattern::Pattern;
use crate::{Logs, LogsFault, group, token};

const MAX_EVENTS: usize = 10_000;
/// Events that one call looks at.
const SCANNED: usize = 20_000;
const MAX_PAGE_BYTES: usize = 1_048_576;

impl Handle<FilterLogEvents> for Logs {
    type Fault = LogsFault;

    async fn handle(
        &self,
        context: Context,
        input: FilterLogEventsRequest,
    ) -> Result<FilterLogEventsResponse, LogsFault> {
        let name = group::named(input.log_group_name.clone(), input.log_group_identifier.clone())?;
        if input.log_stream_names.is_some() && input.log_stream_name_prefix.is_some() {
            return Err(LogsFault::InvalidParameter(
                "LogStream names and LogStream name prefix are mutually exclusive parameters.".into(),
            ));
        }
        let pattern = Pattern::parse(input.filter_pattern.as_deref().unwrap_or_default())
            .map_err(|invalid| LogsFault::InvalidParameter(invalid.0))?;
        let sent = match input.next_token.as_deref() {
            Some(text) => Some(token::read_event_id(text).ok_or_else(token::invalid)?),
            None => None,
        };
        let query = EventQuery {
            streams: input.log_stream_names,
            stream_prefix: input.log_stream_name_prefix,
            start_ms: input.start_time.map(|time| time.max(0).unsigned_abs()),
            end_ms: input.end_time.map(|time| time.max(0).unsigned_abs()),
            beyond: sent,
            backwards: false,
            limit: SCANNED,
        };
        let events = self.store.events(&context.scope, &name, query).await?;
        let limit = input.limit.map_or(MAX_EVENTS, |limit| limit.unsigned_abs() as usize).min(MAX_EVENTS);
        let (found, next) = page(events, &pattern, limit);
        Ok(FilterLogEventsResponse {
            events: Some(found),
            searched_log_streams: Some(Vec::new()),
            next_token: next.map(token::event_id),
        })
    }
}

/// The matching events of a page, and where the next one begins when there is more to look at.
fn page(
    events: Vec<StoredEvent>,
    pattern: &Pattern,
    limit: usize,
) -> (Vec<FilteredLogEvent>, Option<Position>) {
    let whole = events.len() < SCANNED;
    let (mut found, mut bytes) = (Vec::new(), 0);
    let mut last = None;
    for event in events {
        if found.len() == limit || bytes > MAX_PAGE_BYTES {
            return (found, last);
        }
        let position = Position { timestamp_ms: event.timestamp_ms, id: event.id };
        last = Some(position);
        if pattern.matches(&event.message) {
            bytes += event.message.len();
            found.push(FilteredLogEvent {
                log_stream_name: Some(event.stream),
                timestamp: Some(event.timestamp_ms as i64),
                message: Some(event.message),
                ingestion_time: Some(event.ingested_ms as i64),
                event_id: Some(token::event_id(position)),
            });
        }
    }
    (found, last.filter(|_| !whole))
}
