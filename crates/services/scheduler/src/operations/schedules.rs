//! GetSchedule, ListSchedules and DeleteSchedule.

use lambent_api_kit::{Context, Handle};
use lambent_wire::scheduler::operations::delete_schedule::{DeleteScheduleInput, DeleteScheduleOutput};
use lambent_wire::scheduler::operations::get_schedule::{GetScheduleInput, GetScheduleOutput};
use lambent_wire::scheduler::operations::list_schedules::{
    ListSchedulesInput, ListSchedulesOutput, ScheduleSummary, TargetSummary,
};
use lambent_wire::scheduler::operations::{DeleteSchedule, GetSchedule, ListSchedules};
use lambent_wire::scheduler::types::FlexibleTimeWindow;

use super::target::shown;
use super::write_schedule::key;
use crate::paging::page;
use crate::record::{Schedule, ScheduleKey};
use crate::state::Write;
use crate::{Scheduler, SchedulerFault};

pub(super) fn seconds(at_ms: u64) -> f64 {
    at_ms as f64 / 1_000.0
}

fn state(schedule: &Schedule) -> String {
    if schedule.enabled { "ENABLED".into() } else { "DISABLED".into() }
}

impl Handle<GetSchedule> for Scheduler {
    type Fault = SchedulerFault;

    async fn handle(
        &self,
        context: Context,
        input: GetScheduleInput,
    ) -> Result<GetScheduleOutput, SchedulerFault> {
        let key = key(&context, input.group_name, input.name);
        self.state().group(&key.group)?;
        let schedule = self.state().schedule(&key)?;
        let mode = if schedule.window_min.is_some() { "FLEXIBLE" } else { "OFF" };
        Ok(GetScheduleOutput {
            arn: Some(key.arn()),
            group_name: Some(key.group.group),
            name: Some(key.name),
            schedule_expression: Some(schedule.expression.clone()),
            start_date: schedule.start_ms.map(seconds),
            end_date: schedule.end_ms.map(seconds),
            description: schedule.description.clone(),
            schedule_expression_timezone: Some(schedule.zone.clone()),
            state: Some(state(&schedule)),
            creation_date: Some(seconds(schedule.created_ms)),
            last_modification_date: Some(seconds(schedule.modified_ms)),
            kms_key_arn: None,
            target: Some(shown(&schedule.target)),
            flexible_time_window: Some(FlexibleTimeWindow {
                mode: mode.into(),
                maximum_window_in_minutes: schedule
                    .window_min
                    .and_then(|minutes| i32::try_from(minutes).ok()),
            }),
            action_after_completion: Some(if schedule.delete_when_over {
                "DELETE".into()
            } else {
                "NONE".into()
            }),
        })
    }
}

/// By group and name, as the state has them.
fn place(key: &ScheduleKey) -> String {
    format!("{} {}", key.group.group, key.name)
}

impl Handle<ListSchedules> for Scheduler {
    type Fault = SchedulerFault;

    async fn handle(
        &self,
        context: Context,
        input: ListSchedulesInput,
    ) -> Result<ListSchedulesOutput, SchedulerFault> {
        let prefix = input.name_prefix.unwrap_or_default();
        let held = self.state();
        let wanted = |key: &ScheduleKey, schedule: &Schedule| {
            key.group.scope == context.scope
                && key.name.starts_with(&prefix)
                && input.group_name.as_ref().is_none_or(|group| *group == key.group.group)
                && input.state.as_ref().is_none_or(|wanted| *wanted == state(schedule))
        };
        let mut all: Vec<_> = held
            .schedules
            .iter()
            .filter(|(key, schedule)| wanted(key, schedule))
            .map(|(key, schedule)| (place(key), key, schedule))
            .collect();
        all.sort_unstable_by(|(a, ..), (b, ..)| a.cmp(b));
        let (found, next_token) =
            page(all.into_iter(), |(place, ..)| place, input.next_token.as_deref(), input.max_results)?;
        let schedules = found.into_iter().map(|(_, key, schedule)| summary(key, schedule)).collect();
        Ok(ListSchedulesOutput { next_token, schedules })
    }
}

fn summary(key: &ScheduleKey, schedule: &Schedule) -> ScheduleSummary {
    ScheduleSummary {
        arn: Some(key.arn()),
        name: Some(key.name.clone()),
        group_name: Some(key.group.group.clone()),
        state: Some(state(schedule)),
        creation_date: Some(seconds(schedule.created_ms)),
        last_modification_date: Some(seconds(schedule.modified_ms)),
        target: Some(TargetSummary { arn: schedule.target.arn.clone() }),
    }
}

impl Handle<DeleteSchedule> for Scheduler {
    type Fault = SchedulerFault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteScheduleInput,
    ) -> Result<DeleteScheduleOutput, SchedulerFault> {
        let key = key(&context, input.group_name, input.name);
        self.change(|state| {
            state.group(&key.group)?;
            state.schedule(&key)?;
            Ok((vec![Write::DeleteSchedule(key)], ()))
        })
        .await?;
        Ok(DeleteScheduleOutput::default())
    }
}
