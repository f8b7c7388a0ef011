//! PutTargets: adds targets to a rule, or replaces those of the same id.

use lambent_api_kit::{Context, Handle};
use lambent_targets::{Arn, TargetKind};
use lambent_wire::events::operations::PutTargets;
use lambent_wire::events::operations::put_targets::{PutTargetsRequest, PutTargetsResponse};
use lambent_wire::events::types;

use crate::input::RESERVED;
use crate::path::JsonPath;
use crate::record::{GivenRetries, Input, Rule, Target};
use crate::state::Write;
use crate::{Events, EventsFault, naming, template};

/// Targets of one rule (recorded).
const MAX_TARGETS: usize = 5;

impl Handle<PutTargets> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        context: Context,
        input: PutTargetsRequest,
    ) -> Result<PutTargetsResponse, EventsFault> {
        let bus = naming::bus(&context.scope, input.event_bus_name.as_deref());
        let targets = input.targets.into_iter().map(checked).collect::<Result<Vec<_>, _>>()?;
        self.change(|state| {
            state.bus(&bus)?;
            let key = bus.rule(&input.rule);
            let mut rule = Rule::clone(&*state.rule(&key)?);
            for target in targets {
                match rule.targets.iter_mut().find(|known| known.id == target.id) {
                    Some(known) => *known = target,
                    None => rule.targets.push(target),
                }
            }
            if rule.targets.len() > MAX_TARGETS {
                return Err(EventsFault::Limit);
            }
            Ok((vec![Write::Rule(key, rule)], ()))
        })
        .await?;
        Ok(PutTargetsResponse { failed_entry_count: Some(0), failed_entries: Some(Vec::new()) })
    }
}

/// A target that can be called here as it says.
fn checked(target: types::Target) -> Result<Target, EventsFault> {
    let arn = Arn::parse(&target.arn)
        .ok_or_else(|| EventsFault::because("Arn", "Provided Arn is not in correct format."))?;
    let kind = arn.target_kind().ok_or_else(|| {
        let service = arn.service;
        EventsFault::because("Arn", &format!("targets of {service} are not available here; there are functions, queues, topics, log groups and event buses."))
    })?;
    foreign(&target)?;
    let message_group = target.sqs_parameters.as_ref().and_then(|sqs| sqs.message_group_id.clone());
    let fifo = kind == TargetKind::Queue && arn.resource.ends_with(".fifo");
    if fifo && message_group.is_none() {
        let text = format!("Parameter(s) SqsParameters must be specified for target: {}.", target.id);
        return Err(EventsFault::Validation(text));
    }
    if !fifo && target.sqs_parameters.is_some() {
        let text = format!("Parameter(s) SqsParameters not valid for target: {}.", target.id);
        return Err(EventsFault::Validation(text));
    }
    let dead_letter = target.dead_letter_config.as_ref().and_then(|config| config.arn.clone());
    if let Some(queue) = &dead_letter
        && Arn::parse(queue).and_then(|arn| arn.target_kind()) != Some(TargetKind::Queue)
    {
        return Err(EventsFault::because(
            "DeadLetterConfig",
            "Only the ARN of an Amazon SQS queue is supported.",
        ));
    }
    let input = input(&target)?;
    if kind == TargetKind::EventBus && input != Input::Event {
        let text = format!(
            "Input, InputPath and InputTransformer are not valid for target {}: an event bus gets the event.",
            target.id
        );
        return Err(EventsFault::Validation(text));
    }
    Ok(Target {
        id: target.id,
        arn: target.arn,
        role_arn: target.role_arn,
        input,
        message_group,
        retries: target.retry_policy.map(|policy| GivenRetries {
            max_retries: policy.maximum_retry_attempts.map(i32::unsigned_abs),
            max_age_s: policy.maximum_event_age_in_seconds.map(i32::unsigned_abs),
        }),
        dead_letter,
    })
}

/// Settings of kinds of targets that are not here.
fn foreign(target: &types::Target) -> Result<(), EventsFault> {
    let given = [
        ("KinesisParameters", target.kinesis_parameters.is_some()),
        ("RunCommandParameters", target.run_command_parameters.is_some()),
        ("EcsParameters", target.ecs_parameters.is_some()),
        ("BatchParameters", target.batch_parameters.is_some()),
        ("HttpParameters", target.http_parameters.is_some()),
        ("RedshiftDataParameters", target.redshift_data_parameters.is_some()),
        ("SageMakerPipelineParameters", target.sage_maker_pipeline_parameters.is_some()),
        ("AppSyncParameters", target.app_sync_parameters.is_some()),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((name, _)) => {
            Err(EventsFault::Validation(format!("Parameter(s) {name} not valid for target: {}.", target.id)))
        }
        None => Ok(()),
    }
}

fn input(target: &types::Target) -> Result<Input, EventsFault> {
    let id = &target.id;
    let path = target.input_path.as_ref().filter(|path| !path.is_empty());
    match (&target.input, path, &target.input_transformer) {
        (None, None, None) => Ok(Input::Event),
        (Some(text), None, None) => match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Ok(_) => Ok(Input::Constant(text.clone())),
            Err(_) => Err(EventsFault::Validation(format!("JSON syntax error in input for target {id}."))),
        },
        (None, Some(path), None) => match JsonPath::parse(path) {
            Some(_) => Ok(Input::Path(path.clone())),
            None => Err(EventsFault::Validation(format!("InputPath for target {id} is invalid."))),
        },
        (None, None, Some(transformer)) => transformed(id, transformer),
        _ => Err(EventsFault::Validation(format!(
            "Only one of Input, InputPath, or InputTransformer must be provided for target {id}."
        ))),
    }
}

fn transformed(id: &str, transformer: &types::InputTransformer) -> Result<Input, EventsFault> {
    let paths = transformer.input_paths_map.clone();
    for (name, path) in paths.iter().flatten() {
        if name.to_ascii_lowercase().starts_with("aws.") || JsonPath::parse(path).is_none() {
            let text = format!("Invalid InputPathsMap for target {id}: <{name}: {path}>.");
            return Err(EventsFault::Validation(text));
        }
    }
    let template = transformer.input_template.clone();
    let known =
        |name: &str| paths.iter().flatten().any(|(known, _)| known == name) || RESERVED.contains(&name);
    if let Some(unknown) = template::names(&template).find(|name| !known(name)) {
        let text = format!("InputTemplate for target {id} contains invalid placeholder {unknown}.");
        return Err(EventsFault::Validation(text));
    }
    Ok(Input::Template { paths, template })
}

/// As a list shows it.
pub(super) fn shown(target: &Target) -> types::Target {
    let (mut constant, mut path, mut transformer) = (None, None, None);
    match &target.input {
        Input::Event => {}
        Input::Constant(text) => constant = Some(text.clone()),
        Input::Path(text) => path = Some(text.clone()),
        Input::Template { paths, template } => {
            transformer = Some(types::InputTransformer {
                input_paths_map: paths.clone(),
                input_template: template.clone(),
            });
        }
    }
    let number = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    types::Target {
        id: target.id.clone(),
        arn: target.arn.clone(),
        role_arn: target.role_arn.clone(),
        input: constant,
        input_path: path,
        input_transformer: transformer,
        sqs_parameters: target
            .message_group
            .clone()
            .map(|group| types::SqsParameters { message_group_id: Some(group) }),
        dead_letter_config: target.dead_letter.clone().map(|arn| types::DeadLetterConfig { arn: Some(arn) }),
        retry_policy: target.retries.map(|retries| types::RetryPolicy {
            maximum_retry_attempts: retries.max_retries.map(number),
            maximum_event_age_in_seconds: retries.max_age_s.map(number),
        }),
        ..Default::default()
    }
}
