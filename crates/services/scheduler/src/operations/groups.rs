//! CreateScheduleGroup, GetScheduleGroup, ListScheduleGroups and DeleteScheduleGroup.

use lambent_api_kit::{Context, Handle};
use lambent_wire::scheduler::operations::create_schedule_group::{
    CreateScheduleGroupInput, CreateScheduleGroupOutput,
};
use lambent_wire::scheduler::operations::delete_schedule_group::{
    DeleteScheduleGroupInput, DeleteScheduleGroupOutput,
};
use lambent_wire::scheduler::operations::get_schedule_group::{
    GetScheduleGroupInput, GetScheduleGroupOutput,
};
use lambent_wire::scheduler::operations::list_schedule_groups::{
    ListScheduleGroupsInput, ListScheduleGroupsOutput, ScheduleGroupSummary,
};
use lambent_wire::scheduler::operations::{
    CreateScheduleGroup, DeleteScheduleGroup, GetScheduleGroup, ListScheduleGroups,
};

use super::schedules::seconds;
use crate::paging::page;
use crate::record::{DEFAULT_GROUP, Group, GroupKey};
use crate::state::Write;
use crate::{Scheduler, SchedulerFault};

/// A group's state here: one that is deleted is gone at once, with its schedules.
const ACTIVE: &str = "ACTIVE";

impl Handle<CreateScheduleGroup> for Scheduler {
    type Fault = SchedulerFault;

    async fn handle(
        &self,
        context: Context,
        input: CreateScheduleGroupInput,
    ) -> Result<CreateScheduleGroupOutput, SchedulerFault> {
        let key = GroupKey { scope: context.scope, group: input.name };
        let now_ms = self.parts.clock.now_ms();
        let group = Group {
            tags: input.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect(),
            created_ms: now_ms,
            modified_ms: now_ms,
            client_token: input.client_token,
        };
        let schedule_group_arn = key.arn();
        self.change(|state| {
            if let Ok(known) = state.group(&key) {
                // The same request again.
                if known.client_token.is_some() && known.client_token == group.client_token {
                    return Ok((Vec::new(), ()));
                }
                return Err(SchedulerFault::Conflict(format!(
                    "Schedule group {} already exists.",
                    key.group
                )));
            }
            Ok((vec![Write::Group(key, group)], ()))
        })
        .await?;
        Ok(CreateScheduleGroupOutput { schedule_group_arn })
    }
}

impl Handle<GetScheduleGroup> for Scheduler {
    type Fault = SchedulerFault;

    async fn handle(
        &self,
        context: Context,
        input: GetScheduleGroupInput,
    ) -> Result<GetScheduleGroupOutput, SchedulerFault> {
        let key = GroupKey { scope: context.scope, group: input.name };
        let group = self.state().group(&key)?;
        Ok(GetScheduleGroupOutput {
            arn: Some(key.arn()),
            name: Some(key.group),
            state: Some(ACTIVE.into()),
            creation_date: Some(seconds(group.created_ms)),
            last_modification_date: Some(seconds(group.modified_ms)),
        })
    }
}

impl Handle<ListScheduleGroups> for Scheduler {
    type Fault = SchedulerFault;

    async fn handle(
        &self,
        context: Context,
        input: ListScheduleGroupsInput,
    ) -> Result<ListScheduleGroupsOutput, SchedulerFault> {
        let default = GroupKey { scope: context.scope.clone(), group: DEFAULT_GROUP.into() };
        let prefix = input.name_prefix.unwrap_or_default();
        let mut all: Vec<GroupKey> = self.state().groups.keys().cloned().chain([default]).collect();
        all.retain(|key| key.scope == context.scope && key.group.starts_with(&prefix));
        all.sort_unstable();
        all.dedup();
        let (found, next_token) =
            page(all.into_iter(), |key| &key.group, input.next_token.as_deref(), input.max_results)?;
        let mut schedule_groups = Vec::new();
        for key in found {
            // It may have been deleted meanwhile.
            let Ok(group) = self.state().group(&key) else { continue };
            schedule_groups.push(ScheduleGroupSummary {
                arn: Some(key.arn()),
                name: Some(key.group),
                state: Some(ACTIVE.into()),
                creation_date: Some(seconds(group.created_ms)),
                last_modification_date: Some(seconds(group.modified_ms)),
            });
        }
        Ok(ListScheduleGroupsOutput { next_token, schedule_groups })
    }
}

impl Handle<DeleteScheduleGroup> for Scheduler {
    type Fault = SchedulerFault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteScheduleGroupInput,
    ) -> Result<DeleteScheduleGroupOutput, SchedulerFault> {
        let key = GroupKey { scope: context.scope, group: input.name };
        if key.group == DEFAULT_GROUP {
            return Err(SchedulerFault::Validation("The default schedule group cannot be deleted.".into()));
        }
        self.change(|state| {
            state.group(&key)?;
            let within = state.schedules.keys().filter(|schedule| schedule.group == key);
            let mut writes: Vec<Write> = within.cloned().map(Write::DeleteSchedule).collect();
            writes.push(Write::DeleteGroup(key));
            Ok((writes, ()))
        })
        .await?;
        Ok(DeleteScheduleGroupOutput::default())
    }
}
