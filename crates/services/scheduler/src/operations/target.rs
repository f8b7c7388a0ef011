//! A schedule's target between the wire and what is kept.

use lambent_targets::{Arn, TargetKind, universal};
use lambent_wire::scheduler::types;

use crate::SchedulerFault;
use crate::record::Target;

/// A target that can be called here as it says.
pub(super) fn checked(target: types::Target) -> Result<Target, SchedulerFault> {
    let refused = |text: String| Err(SchedulerFault::Validation(text));
    let arn = Arn::parse(&target.arn);
    let kind = arn.as_ref().and_then(Arn::target_kind).filter(|kind| *kind != TargetKind::LogGroup);
    if kind.is_none() && universal(&target.arn).is_none() {
        return refused(match arn {
            None => format!("Provided Arn {} is not in correct format.", target.arn),
            Some(_) => format!(
                "{} can't be a target here; there are functions, queues, topics and event buses, and of universal targets lambda:invoke, sqs:sendMessage, sns:publish and events:putEvents.",
                target.arn
            ),
        });
    }
    if let Some(name) = foreign(&target) {
        return refused(format!("{name} is not available here."));
    }
    let is = |wanted| kind == Some(wanted);
    let message_group = target.sqs_parameters.as_ref().and_then(|sqs| sqs.message_group_id.clone());
    if is(TargetKind::Queue) && target.arn.ends_with(".fifo") && message_group.is_none() {
        return refused("SqsParameters with a MessageGroupId are required for a FIFO queue.".into());
    }
    if target.sqs_parameters.is_some() && !(is(TargetKind::Queue) && target.arn.ends_with(".fifo")) {
        return refused("SqsParameters are only for a FIFO queue.".into());
    }
    if is(TargetKind::EventBus) != target.event_bridge_parameters.is_some() {
        return refused("EventBridgeParameters are required for an event bus, and for nothing else.".into());
    }
    check_input(&target, kind)?;
    let dead_letter = target.dead_letter_config.and_then(|config| config.arn);
    let retries = target.retry_policy.as_ref();
    Ok(Target {
        arn: target.arn,
        role_arn: target.role_arn,
        input: target.input,
        dead_letter,
        max_retries: retries.and_then(|policy| policy.maximum_retry_attempts).map(i32::unsigned_abs),
        max_age_s: retries.and_then(|policy| policy.maximum_event_age_in_seconds).map(i32::unsigned_abs),
        message_group,
        event: target.event_bridge_parameters.map(|event| (event.detail_type, event.source)),
    })
}

fn check_input(target: &types::Target, kind: Option<TargetKind>) -> Result<(), SchedulerFault> {
    // Functions, buses and API calls take JSON; queues and topics any text.
    let needs_json = !matches!(kind, Some(TargetKind::Queue | TargetKind::Topic));
    match &target.input {
        Some(input) if needs_json && serde_json::from_str::<serde::de::IgnoredAny>(input).is_err() => {
            Err(SchedulerFault::Validation("Invalid JSON in the target's Input.".into()))
        }
        None if kind.is_none() => {
            Err(SchedulerFault::Validation("Input is required for a universal target.".into()))
        }
        _ => Ok(()),
    }
}

/// Settings of kinds of targets that are not here.
fn foreign(target: &types::Target) -> Option<&'static str> {
    let given = [
        ("EcsParameters", target.ecs_parameters.is_some()),
        ("KinesisParameters", target.kinesis_parameters.is_some()),
        ("SageMakerPipelineParameters", target.sage_maker_pipeline_parameters.is_some()),
        ("EventBridgePutEventsV2Parameters", target.event_bridge_put_events_v2_parameters.is_some()),
        ("EventBridgePutRawEventsParameters", target.event_bridge_put_raw_events_parameters.is_some()),
    ];
    given.iter().find(|(_, given)| *given).map(|(name, _)| *name)
}

/// As it is shown: how it is tried again is always there (AWS).
pub(super) fn shown(target: &Target) -> types::Target {
    let retries = target.retries();
    let number = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    types::Target {
        arn: target.arn.clone(),
        role_arn: target.role_arn.clone(),
        input: target.input.clone(),
        dead_letter_config: target.dead_letter.clone().map(|arn| types::DeadLetterConfig { arn: Some(arn) }),
        retry_policy: Some(types::RetryPolicy {
            maximum_event_age_in_seconds: Some(number(retries.max_age_s)),
            maximum_retry_attempts: Some(number(retries.max_retries)),
        }),
        sqs_parameters: target
            .message_group
            .clone()
            .map(|group| types::SqsParameters { message_group_id: Some(group) }),
        event_bridge_parameters: target
            .event
            .clone()
            .map(|(detail_type, source)| types::EventBridgeParameters { detail_type, source }),
        ..Default::default()
    }
}
