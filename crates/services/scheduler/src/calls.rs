//! A schedule's target: what can be one, and what it is sent.

use lambent_kit::utc::rfc3339_ms;
use lambent_targets::{Arn, Authority, BusEntry, Call, Codes, DeadLetter, Dispatch, TargetKind, universal};
use serde_json::json;

use crate::record::{Schedule, ScheduleKey, Target};

/// One time that a schedule is due.
pub(crate) struct Occasion<'a> {
    pub(crate) key: &'a ScheduleKey,
    pub(crate) at_ms: u64,
    /// Its id.
    pub(crate) execution: String,
}

/// `2025-11-25T02:26:00Z`.
fn seconds(at_ms: u64) -> String {
    let text = rfc3339_ms(at_ms);
    let seconds = text.split_once('.').map_or(text.as_str(), |(seconds, _)| seconds);
    format!("{seconds}Z")
}

impl Occasion<'_> {
    /// What is sent when a schedule has no input: AWS's event.
    fn event(&self) -> String {
        json!({
            "version": "0",
            "id": self.execution,
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": self.key.group.scope.account.as_str(),
            "time": seconds(self.at_ms),
            "region": self.key.group.scope.region.as_str(),
            "resources": [self.key.arn()],
            "detail": "{}",
        })
        .to_string()
    }

    /// An input with what it can name in its place (AWS documentation). The number of the attempt is that of the first:
    /// what is tried again is the same message.
    fn filled(&self, input: &str) -> String {
        [
            ("<aws.scheduler.schedule-arn>", self.key.arn()),
            ("<aws.scheduler.scheduled-time>", seconds(self.at_ms)),
            ("<aws.scheduler.execution-id>", self.execution.clone()),
            ("<aws.scheduler.attempt-number>", "1".to_owned()),
        ]
        .into_iter()
        .fold(input.to_owned(), |input, (name, value)| input.replace(name, &value))
    }
}

/// The message of one time; `None` for a target that could not be one when it was put.
pub(crate) fn dispatch(occasion: &Occasion<'_>, schedule: &Schedule) -> Option<Dispatch> {
    let target = &schedule.target;
    let payload = target.input.as_deref().map_or_else(|| occasion.event(), |input| occasion.filled(input));
    let dead_letter = target.dead_letter.as_ref().map(|queue| DeadLetter {
        queue: queue.clone(),
        body: payload.clone(),
        attributes: vec![
            ("SCHEDULE_ARN".into(), occasion.key.arn()),
            ("SCHEDULED_TIME".into(), seconds(occasion.at_ms)),
            ("EXECUTION_ID".into(), occasion.execution.clone()),
        ],
        codes: Codes::Target,
    });
    Some(Dispatch {
        target: target.arn.clone(),
        call: call(occasion, target, payload)?,
        authority: Authority::Role(target.role_arn.clone()),
        retries: target.retries(),
        accepted_ms: occasion.at_ms,
        dead_letter,
        trace: None,
    })
}

fn call(occasion: &Occasion<'_>, target: &Target, payload: String) -> Option<Call> {
    let arn = target.arn.clone();
    if let Some(known) = universal(&arn) {
        let scope = &occasion.key.group.scope;
        return Some(Call::Api {
            account: scope.account.to_string(),
            region: scope.region.to_string(),
            service: known.service.into(),
            operation: known.operation.into(),
            input: payload,
        });
    }
    match Arn::parse(&arn)?.target_kind()? {
        TargetKind::Function => Some(Call::Function { arn, payload }),
        TargetKind::Queue => Some(Call::Queue { arn, body: payload, group: target.message_group.clone() }),
        TargetKind::Topic => Some(Call::Topic { arn, message: payload }),
        TargetKind::EventBus => {
            let (detail_type, source) = target.event.clone()?;
            let entry = BusEntry {
                source,
                detail_type,
                detail: payload,
                resources: vec![occasion.key.arn()],
                time_s: None,
            };
            Some(Call::EventBus { arn, entry })
        }
        TargetKind::LogGroup => None,
    }
}
