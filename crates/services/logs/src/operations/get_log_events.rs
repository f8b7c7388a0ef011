//! GetLogEvents: one stream, forwards or backwards. At an end the token that comes back is the one that was sent: that is
//! how callers know.

use lambent_api_kit::{Context, Handle};
use lambent_ports::log_store::{EventQuery, Position, StoredEvent};
use lambent_wire::logs::operations::GetLogEvents;
use lambent_wire::logs::operations::get_log_events::{
    GetLogEventsRequest, GetLogEventsResponse, OutputLogEvent,
};

use crate::{Logs, LogsFault, group, token};

const MAX_EVENTS: usize = 10_000;
const MAX_PAGE_BYTES: usize = 1_048_576;

impl Handle<GetLogEvents> for Logs {
    type Fault = LogsFault;

    async fn handle(
        &self,
        context: Context,
        input: GetLogEventsRequest,
    ) -> Result<GetLogEventsResponse, LogsFault> {
        let name = group::named(input.log_group_name.clone(), input.log_group_identifier.clone())?;
        // A stream that is not there is an error, one without events is not.
        self.store.stream(&context.scope, &name, &input.log_stream_name).await?;
        let sent = input.next_token.as_deref().map(token::read_page).transpose()?;
        let backwards = match sent {
            Some((direction, _)) => direction == 'b',
            None => input.start_from_head != Some(true),
        };
        let query = EventQuery {
            streams: Some(vec![input.log_stream_name]),
            start_ms: input.start_time.map(|time| time.max(0).unsigned_abs()),
            end_ms: input.end_time.map(|time| time.max(0).unsigned_abs()),
            beyond: sent.map(|(_, position)| position),
            backwards,
            limit: input.limit.map_or(MAX_EVENTS, |limit| limit.unsigned_abs() as usize).min(MAX_EVENTS),
            stream_prefix: None,
        };
        let mut events = self.store.events(&context.scope, &name, query).await?;
        cut(&mut events);
        if backwards {
            events.reverse();
        }
        // Where there is nothing, both tokens stay at the place that was asked for.
        let here = sent.map_or(Position { timestamp_ms: 0, id: 0 }, |(_, position)| position);
        let first = events.first().map_or(here, position);
        let last = events.last().map_or(here, position);
        Ok(GetLogEventsResponse {
            next_forward_token: Some(token::page('f', last)),
            next_backward_token: Some(token::page('b', first)),
            events: Some(events.into_iter().map(shown).collect()),
        })
    }
}

fn position(event: &StoredEvent) -> Position {
    Position { timestamp_ms: event.timestamp_ms, id: event.id }
}

/// A page holds at most a megabyte, and at least one event.
fn cut(events: &mut Vec<StoredEvent>) {
    let mut bytes = 0;
    let fits = events.iter().take_while(|event| {
        bytes += event.message.len();
        bytes <= MAX_PAGE_BYTES
    });
    let count = fits.count().max(1);
    events.truncate(count);
}

fn shown(event: StoredEvent) -> OutputLogEvent {
    OutputLogEvent {
        timestamp: Some(event.timestamp_ms as i64),
        message: Some(event.message),
        ingestion_time: Some(event.ingested_ms as i64),
    }
}
