//! DescribeLogGroups: by name, at most fifty a page.

use lambent_api_kit::{Context, Handle};
use lambent_domain::Scope;
use lambent_ports::log_store::LogGroup as StoredGroup;
use lambent_wire::logs::operations::DescribeLogGroups;
use lambent_wire::logs::operations::describe_log_groups::{
    DescribeLogGroupsRequest, DescribeLogGroupsResponse, LogGroup,
};

use crate::{Logs, LogsFault, group, token};

const PAGE: usize = 50;
/// Groups read at once while looking for a page of matching ones.
const SCANNED: usize = 1_000;

impl Handle<DescribeLogGroups> for Logs {
    type Fault = LogsFault;

    async fn handle(
        &self,
        context: Context,
        input: DescribeLogGroupsRequest,
    ) -> Result<DescribeLogGroupsResponse, LogsFault> {
        if input.log_group_name_prefix.is_some() && input.log_group_name_pattern.is_some() {
            return Err(LogsFault::InvalidParameter(
                "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.".into(),
            ));
        }
        let limit = input.limit.map_or(PAGE, |limit| limit.unsigned_abs() as usize).min(PAGE);
        let mut after = match input.next_token.as_deref() {
            Some(token) => token.strip_prefix("g/").ok_or_else(token::invalid)?.to_owned(),
            None => String::new(),
        };
        let mut found = Vec::new();
        loop {
            let groups = self.store.groups(&context.scope, &after, SCANNED).await?;
            let last = groups.last().map(|group| group.name.clone());
            found.extend(groups.into_iter().filter(|group| wanted(&input, group)));
            match last {
                Some(name) if found.len() <= limit => after = name,
                _ => break,
            }
        }
        let more = found.len() > limit;
        found.truncate(limit);
        let next_token = found.last().filter(|_| more).map(|group| format!("g/{}", group.name));
        let log_groups = found.into_iter().map(|found| shown(&context.scope, found)).collect();
        Ok(DescribeLogGroupsResponse { log_groups: Some(log_groups), next_token })
    }
}

fn wanted(input: &DescribeLogGroupsRequest, group: &StoredGroup) -> bool {
    let prefix = input.log_group_name_prefix.as_deref().unwrap_or_default();
    let pattern = input.log_group_name_pattern.as_deref().unwrap_or_default();
    // Patterns are substrings, in either letter case (AWS documentation).
    let in_name = group.name.to_lowercase().contains(&pattern.to_lowercase());
    let class = input.log_group_class.as_deref().is_none_or(|class| class == "STANDARD");
    let identified = input.log_group_identifiers.as_ref().is_none_or(|identifiers| {
        identifiers.iter().any(|one| *one == group.name || group::from_arn(one).as_ref() == Some(&group.name))
    });
    group.name.starts_with(prefix) && in_name && class && identified
}

fn shown(scope: &Scope, found: StoredGroup) -> LogGroup {
    let arn = group::arn(scope, &found.name);
    LogGroup {
        creation_time: Some(found.created_ms as i64),
        retention_in_days: found.retention_days.map(|days| days as i32),
        metric_filter_count: Some(0),
        stored_bytes: Some(found.stored_bytes as i64),
        log_group_class: Some("STANDARD".into()),
        deletion_protection_enabled: Some(false),
        arn: Some(format!("{arn}:*")),
        log_group_arn: Some(arn),
        log_group_name: Some(found.name),
        ..Default::default()
    }
}
