//! How an event is stored: its payload is the message's body, the rest is in the message's attributes.

use bytes::Bytes;
use lambent_domain::{AccountId, FunctionKey, FunctionName, Qualifier, Region, RequestId, Scope};
use lambent_ports::invoke::Event;
use lambent_ports::queue::{Claimed, NewMessage};
use serde::{Deserialize, Serialize};

use crate::decide::{Condition, Progress};
use crate::record::Response;

/// Names of the queues of functions begin like this: each function has one, so that none waits behind another.
pub(crate) const PREFIX: &str = "lambda/";

/// The queue of a function.
pub(crate) fn queue_name(function: &FunctionKey) -> String {
    format!("{PREFIX}{}/{}/{}", function.scope.account, function.scope.region, function.name)
}

/// The function of a queue.
pub(crate) fn function_of(queue: &str) -> Option<FunctionKey> {
    let mut parts = queue.strip_prefix(PREFIX)?.split('/');
    let scope = Scope { account: AccountId::parse(parts.next()?)?, region: Region::parse(parts.next()?)? };
    let name = FunctionName::parse(parts.next()?)?;
    parts.next().is_none().then_some(FunctionKey { scope, name })
}

/// What is kept of an event besides its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) qualifier: Option<Qualifier>,
    pub(crate) request_id: RequestId,
    pub(crate) trace_id: String,
    pub(crate) progress: Progress,
    /// Destinations that it has come through.
    pub(crate) hops: u32,
    /// It is over, and not everybody has been told.
    pub(crate) over: Option<Over>,
}

/// What came of an event that has still to be told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Over {
    pub(crate) condition: Condition,
    pub(crate) invoke_count: u32,
    pub(crate) response: Option<Response>,
    pub(crate) at_ms: u64,
    /// Nothing is left to do about the dead letter.
    pub(crate) buried: bool,
    /// How often somebody could not take what was sent.
    pub(crate) refusals: u32,
}

/// On disk. Members that a later version adds are optional.
#[derive(Serialize, Deserialize)]
struct Attributes {
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    qualifier: Option<String>,
    request_id: String,
    trace_id: String,
    accepted_ms: u64,
    attempts: u32,
    refusals: u32,
    hops: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    over: Option<OverAttributes>,
}

#[derive(Serialize, Deserialize)]
struct OverAttributes {
    condition: String,
    invoke_count: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response: Option<ResponseAttributes>,
    at_ms: u64,
    buried: bool,
    refusals: u32,
}

/// What is no text would be told of as one.
#[derive(Serialize, Deserialize)]
struct ResponseAttributes {
    executed_version: String,
    failed: bool,
    payload: String,
}

impl From<&Over> for OverAttributes {
    fn from(over: &Over) -> Self {
        let response = over.response.as_ref().map(|response| ResponseAttributes {
            executed_version: response.executed_version.clone(),
            failed: response.failed,
            payload: String::from_utf8_lossy(&response.payload).into_owned(),
        });
        OverAttributes {
            condition: over.condition.as_str().to_owned(),
            invoke_count: over.invoke_count,
            response,
            at_ms: over.at_ms,
            buried: over.buried,
            refusals: over.refusals,
        }
    }
}

impl OverAttributes {
    fn read(self) -> Option<Over> {
        let response = self.response.map(|response| Response {
            executed_version: response.executed_version,
            failed: response.failed,
            payload: Bytes::from(response.payload),
        });
        Some(Over {
            condition: Condition::parse(&self.condition)?,
            invoke_count: self.invoke_count,
            response,
            at_ms: self.at_ms,
            buried: self.buried,
            refusals: self.refusals,
        })
    }
}

const VERSION: u32 = 1;

/// A message that has not been tried yet.
pub(crate) fn message(event: Event, hops: u32, now_ms: u64) -> NewMessage {
    let kept = Kept {
        qualifier: event.qualifier,
        request_id: event.request_id,
        trace_id: event.trace_id,
        progress: Progress { accepted_ms: now_ms, attempts: 0, refusals: 0 },
        hops,
        over: None,
    };
    NewMessage { body: event.payload, attributes: kept.write(), visible_at_ms: now_ms }
}

impl Kept {
    pub(crate) fn write(&self) -> Bytes {
        let attributes = Attributes {
            version: VERSION,
            qualifier: self.qualifier.as_ref().map(Qualifier::to_string),
            request_id: self.request_id.to_string(),
            trace_id: self.trace_id.clone(),
            accepted_ms: self.progress.accepted_ms,
            attempts: self.progress.attempts,
            refusals: self.progress.refusals,
            hops: self.hops,
            over: self.over.as_ref().map(OverAttributes::from),
        };
        Bytes::from(serde_json::to_vec(&attributes).unwrap_or_default())
    }

    /// `None` for what another version wrote.
    pub(crate) fn read(claimed: &Claimed) -> Option<Self> {
        let attributes: Attributes = serde_json::from_slice(&claimed.attributes).ok()?;
        let qualifier = match attributes.qualifier {
            Some(text) => Some(Qualifier::parse(&text)?),
            None => None,
        };
        let over = match attributes.over {
            Some(over) => Some(over.read()?),
            None => None,
        };
        (attributes.version == VERSION).then_some(Kept {
            over,
            qualifier,
            request_id: RequestId::parse(&attributes.request_id)?,
            trace_id: attributes.trace_id,
            progress: Progress {
                accepted_ms: attributes.accepted_ms,
                attempts: attributes.attempts,
                refusals: attributes.refusals,
            },
            hops: attributes.hops,
        })
    }
}

#[cfg(test)]
mod tests {
    use lambent_ports::queue::Receipt;

    use super::*;
    use crate::record::tests::key;

    #[test]
    fn a_queue_leads_back_to_its_function() {
        let key = key("f");
        assert_eq!(queue_name(&key), "lambda/111111111111/us-east-1/f");
        assert_eq!(function_of(&queue_name(&key)), Some(key));
        for other in
            ["lambda/1/us-east-1/f", "sqs/111111111111/us-east-1/f", "lambda/111111111111/us-east-1/f/g"]
        {
            assert_eq!(function_of(other), None);
        }
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let kept = Kept {
            qualifier: Some(Qualifier::Alias("live".into())),
            request_id: RequestId::from_random([7; 16]),
            trace_id: "Root=1-2-3".into(),
            progress: Progress { accepted_ms: 5, attempts: 1, refusals: 9 },
            hops: 3,
            over: Some(Over {
                condition: Condition::RetriesExhausted,
                invoke_count: 3,
                response: Some(Response {
                    executed_version: "7".into(),
                    failed: true,
                    payload: Bytes::from_static(b"{}"),
                }),
                at_ms: 9,
                buried: true,
                refusals: 2,
            }),
        };
        let claimed = |attributes| Claimed {
            receipt: Receipt { message: 1, epoch: 1 },
            body: Bytes::new(),
            attributes,
            enqueued_ms: 5,
        };
        assert_eq!(Kept::read(&claimed(kept.write())), Some(kept));
        assert_eq!(Kept::read(&claimed(Bytes::from_static(b"{}"))), None);
    }
}
