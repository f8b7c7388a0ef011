//! DescribeLogStreams: by name or by their latest event.

use lambent_api_kit::{Context, Handle};
use lambent_ports::log_store::{Position, StreamOrder, StreamQuery};
use lambent_wire::logs::operations::DescribeLogStreams;
use lambent_wire::logs::operations::describe_log_streams::{
    DescribeLogStreamsRequest, DescribeLogStreamsResponse, LogStream,
};

use crate::{Logs, LogsFault, group, token};

const PAGE: usize = 50;

impl Handle<DescribeLogStreams> for Logs {
    type Fault = LogsFault;

    async fn handle(
        &self,
        context: Context,
        input: DescribeLogStreamsRequest,
    ) -> Result<DescribeLogStreamsResponse, LogsFault> {
        let name = group::named(input.log_group_name, input.log_group_identifier)?;
        let by_time = input.order_by.as_deref() == Some("LastEventTime");
        if by_time && input.log_stream_name_prefix.is_some() {
            return Err(LogsFault::InvalidParameter(
                "Cannot order by LastEventTime with a logStreamNamePrefix.".into(),
            ));
        }
        let order = if by_time { StreamOrder::LastEvent } else { StreamOrder::Name };
        let limit = input.limit.map_or(PAGE, |limit| limit.unsigned_abs() as usize).min(PAGE);
        let query = StreamQuery {
            prefix: input.log_stream_name_prefix.unwrap_or_default(),
            order,
            descending: input.descending == Some(true),
            beyond: input.next_token.as_deref().map(|token| token::read_stream(order, token)).transpose()?,
            limit: limit + 1,
        };
        let mut streams = self.store.streams(&context.scope, &name, query).await?;
        let more = streams.len() > limit;
        streams.truncate(limit);
        let next_token = streams.last().filter(|_| more).map(|stream| token::stream(order, stream));
        let arn = group::arn(&context.scope, &name);
        let shown = streams.into_iter().map(|stream| LogStream {
            arn: Some(format!("{arn}:log-stream:{}", stream.name)),
            log_stream_name: Some(stream.name),
            creation_time: Some(stream.created_ms as i64),
            first_event_timestamp: stream.first_event_ms.map(|time| time as i64),
            last_event_timestamp: stream.last_event_ms.map(|time| time as i64),
            last_ingestion_time: stream.last_ingestion_ms.map(|time| time as i64),
            // Not used since 2023, but clients print it.
            upload_sequence_token: Some(token::event_id(Position { timestamp_ms: stream.created_ms, id: 0 })),
            stored_bytes: Some(0),
        });
        Ok(DescribeLogStreamsResponse { log_streams: Some(shown.collect()), next_token })
    }
}
