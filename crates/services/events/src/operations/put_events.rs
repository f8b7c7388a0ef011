//! PutEvents: each entry is accepted or refused by itself; what is accepted is on the disk, with a message for every
//! target, when the answer comes.

use lambent_api_kit::{Context, Handle};
use lambent_domain::RequestId;
use lambent_ports::aws_client::Principal;
use lambent_wire::events::operations::PutEvents;
use lambent_wire::events::operations::put_events::{
    PutEventsRequest, PutEventsRequestEntry, PutEventsResponse, PutEventsResultEntry,
};

use crate::dispatching::Arrived;
use crate::event::{Envelope, object};
use crate::{Events, EventsFault, FROM_A_BUS, naming};

/// All entries together (AWS documentation).
const MAX_BYTES: usize = 1_048_576;
/// What a time counts (AWS documentation).
const TIME_BYTES: usize = 14;

/// Code and text of an entry that was refused.
type Refused = (&'static str, String);

impl Handle<PutEvents> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        context: Context,
        input: PutEventsRequest,
    ) -> Result<PutEventsResponse, EventsFault> {
        if input.endpoint_id.is_some() {
            return Err(EventsFault::unsupported("EndpointId", "there are no global endpoints"));
        }
        if input.entries.iter().map(size).sum::<usize>() > MAX_BYTES {
            return Err(EventsFault::Validation(
                "Total size of the entries in the request is over the limit.".into(),
            ));
        }
        let now_ms = self.parts.clock.now_ms();
        let is_service = matches!(context.caller.principal, Some(Principal::Service { .. }));
        let passed_on = FROM_A_BUS.try_with(|from_a_bus| *from_a_bus).unwrap_or(false);
        let mut answer = PutEventsResponse { failed_entry_count: Some(0), entries: Some(Vec::new()) };
        let mut changes = Vec::new();
        for entry in input.entries {
            let bus = naming::bus(&context.scope, entry.event_bus_name.as_deref());
            let told = match self.envelope(entry, &bus.scope, is_service || passed_on, now_ms) {
                Ok(event) => {
                    let arrived = Arrived { bus: &bus, event: &event, now_ms, passed_on };
                    // A bus that is not there has nobody who listens; AWS does not say so either (judgement).
                    changes.extend(self.state().changes_for(&arrived));
                    PutEventsResultEntry { event_id: Some(event.id), ..Default::default() }
                }
                Err((code, message)) => {
                    *answer.failed_entry_count.get_or_insert_default() += 1;
                    PutEventsResultEntry {
                        error_code: Some(code.into()),
                        error_message: Some(message),
                        ..Default::default()
                    }
                }
            };
            answer.entries.get_or_insert_default().push(told);
        }
        if !changes.is_empty() {
            self.parts.sender.commit(changes).await?;
        }
        Ok(answer)
    }
}

impl Events {
    fn envelope(
        &self,
        entry: PutEventsRequestEntry,
        scope: &lambent_domain::Scope,
        is_service: bool,
        now_ms: u64,
    ) -> Result<Envelope, Refused> {
        let source = needed(entry.source, "Source")?;
        let detail_type = needed(entry.detail_type, "DetailType")?;
        let detail = needed(entry.detail, "Detail")?;
        if source.starts_with("aws.") && !is_service {
            return Err(("NotAuthorizedForSource", "Not authorized for the source.".into()));
        }
        let detail = object(&detail).ok_or_else(|| ("MalformedDetail", "Detail is malformed.".to_owned()))?;
        Ok(Envelope {
            id: RequestId::from_random(self.parts.random.bytes16()).to_string(),
            detail_type,
            source,
            scope: scope.clone(),
            at_ms: entry.time.map_or(now_ms, millis),
            resources: entry.resources.unwrap_or_default(),
            detail,
            replay: None,
            trace: entry.trace_header,
        })
    }
}

fn needed(value: Option<String>, name: &str) -> Result<String, Refused> {
    value.filter(|value| !value.is_empty()).ok_or_else(|| {
        ("InvalidArgument", format!("Parameter {name} is not valid. Reason: {name} is a required argument."))
    })
}

/// Seconds of a timestamp in milliseconds.
pub(crate) fn millis(seconds: f64) -> u64 {
    (seconds * 1_000.0).max(0.0) as u64
}

/// As AWS counts it.
fn size(entry: &PutEventsRequestEntry) -> usize {
    let texts = [&entry.source, &entry.detail_type, &entry.detail];
    let texts = texts.into_iter().flatten().chain(entry.resources.iter().flatten());
    texts.map(String::len).sum::<usize>() + entry.time.map_or(0, |_| TIME_BYTES)
}
