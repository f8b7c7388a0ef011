//! CreateSchedule and UpdateSchedule. An update replaces everything: what it does not say is at its default again.

use lambent_api_kit::{Context, Handle};
use lambent_cron::{Expression, Zone};
use lambent_wire::scheduler::operations::create_schedule::{CreateScheduleInput, CreateScheduleOutput};
use lambent_wire::scheduler::operations::update_schedule::{UpdateScheduleInput, UpdateScheduleOutput};
use lambent_wire::scheduler::operations::{CreateSchedule, UpdateSchedule};

use super::target;
use crate::record::{DEFAULT_GROUP, GroupKey, Schedule, ScheduleKey};
use crate::state::Write;
use crate::{Scheduler, SchedulerFault};

impl Handle<CreateSchedule> for Scheduler {
    type Fault = SchedulerFault;

    async fn handle(
        &self,
        context: Context,
        input: CreateScheduleInput,
    ) -> Result<CreateScheduleOutput, SchedulerFault> {
        let (name, group) = (input.name.clone(), input.group_name.clone());
        let key = key(&context, group, name);
        let now_ms = self.parts.clock.now_ms();
        let schedule = checked(input, now_ms)?;
        let schedule_arn = key.arn();
        self.change(|state| {
            state.group(&key.group)?;
            if let Some(known) = state.schedules.get(&key) {
                // The same request again.
                if known.client_token.is_some() && known.client_token == schedule.client_token {
                    return Ok((Vec::new(), ()));
                }
                return Err(SchedulerFault::Conflict(format!("Schedule {} already exists.", key.name)));
            }
            Ok((vec![Write::Schedule(key, Box::new(schedule))], ()))
        })
        .await?;
        Ok(CreateScheduleOutput { schedule_arn })
    }
}

impl Handle<UpdateSchedule> for Scheduler {
    type Fault = SchedulerFault;

    async fn handle(
        &self,
        context: Context,
        input: UpdateScheduleInput,
    ) -> Result<UpdateScheduleOutput, SchedulerFault> {
        let (name, group) = (input.name.clone(), input.group_name.clone());
        let key = key(&context, group, name);
        let now_ms = self.parts.clock.now_ms();
        let schedule = checked(same(input), now_ms)?;
        let schedule_arn = key.arn();
        self.change(|state| {
            state.group(&key.group)?;
            let created_ms = state.schedule(&key)?.created_ms;
            Ok((vec![Write::Schedule(key, Box::new(Schedule { created_ms, ..schedule }))], ()))
        })
        .await?;
        Ok(UpdateScheduleOutput { schedule_arn })
    }
}

/// Both requests have the same members.
fn same(input: UpdateScheduleInput) -> CreateScheduleInput {
    CreateScheduleInput {
        name: input.name,
        group_name: input.group_name,
        schedule_expression: input.schedule_expression,
        start_date: input.start_date,
        end_date: input.end_date,
        description: input.description,
        schedule_expression_timezone: input.schedule_expression_timezone,
        state: input.state,
        kms_key_arn: input.kms_key_arn,
        target: input.target,
        flexible_time_window: input.flexible_time_window,
        client_token: input.client_token,
        action_after_completion: input.action_after_completion,
    }
}

pub(super) fn key(context: &Context, group: Option<String>, name: String) -> ScheduleKey {
    let group = group.unwrap_or_else(|| DEFAULT_GROUP.into());
    ScheduleKey { group: GroupKey { scope: context.scope.clone(), group }, name }
}

fn checked(input: CreateScheduleInput, now_ms: u64) -> Result<Schedule, SchedulerFault> {
    let refused = |text: String| Err(SchedulerFault::Validation(text));
    if input.kms_key_arn.is_some() {
        return refused("KmsKeyArn is not available here; there are no keys of KMS.".into());
    }
    if Expression::of_schedule(&input.schedule_expression).is_err() {
        return refused(format!("Invalid Schedule Expression {}.", input.schedule_expression));
    }
    let zone = input.schedule_expression_timezone.unwrap_or_else(|| "UTC".into());
    if Zone::find(&zone).is_none() {
        return refused(format!("Invalid Schedule Expression Timezone {zone}."));
    }
    let millis = |seconds: f64| (seconds * 1_000.0).max(0.0) as u64;
    let (start_ms, end_ms) = (input.start_date.map(millis), input.end_date.map(millis));
    if start_ms.zip(end_ms).is_some_and(|(start_ms, end_ms)| start_ms >= end_ms) {
        return refused("The StartDate has to be before the EndDate.".into());
    }
    let window = input.flexible_time_window;
    let window_min = match (window.mode.as_str(), window.maximum_window_in_minutes) {
        ("OFF", None) => None,
        ("FLEXIBLE", Some(minutes)) => Some(minutes.unsigned_abs()),
        ("OFF", Some(_)) => {
            return refused("MaximumWindowInMinutes must not be set when the mode is OFF.".into());
        }
        _ => return refused("MaximumWindowInMinutes must be set when the mode is FLEXIBLE.".into()),
    };
    Ok(Schedule {
        expression: input.schedule_expression,
        zone,
        start_ms,
        end_ms,
        description: input.description,
        enabled: input.state.as_deref() != Some("DISABLED"),
        window_min,
        target: target::checked(input.target)?,
        delete_when_over: input.action_after_completion.as_deref() == Some("DELETE"),
        created_ms: now_ms,
        modified_ms: now_ms,
        client_token: input.client_token,
        // A rate without a start begins at once.
        seen_ms: now_ms.saturating_sub(1),
    })
}
