//! ListRules, ListTargetsByRule and ListRuleNamesByTarget.

use lambent_api_kit::{Context, Handle};
use lambent_wire::events::operations::list_rule_names_by_target::{
    ListRuleNamesByTargetRequest, ListRuleNamesByTargetResponse,
};
use lambent_wire::events::operations::list_rules::{self, ListRulesRequest, ListRulesResponse};
use lambent_wire::events::operations::list_targets_by_rule::{
    ListTargetsByRuleRequest, ListTargetsByRuleResponse,
};
use lambent_wire::events::operations::{ListRuleNamesByTarget, ListRules, ListTargetsByRule};

use super::put_targets::shown;
use crate::paging::page;
use crate::record::{Rule, RuleKey};
use crate::{Events, EventsFault, naming};

impl Handle<ListRules> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        context: Context,
        input: ListRulesRequest,
    ) -> Result<ListRulesResponse, EventsFault> {
        let bus = naming::bus(&context.scope, input.event_bus_name.as_deref());
        let state = self.state();
        state.bus(&bus)?;
        let all = state.rules_of(&bus, input.name_prefix.as_deref().unwrap_or_default());
        let (rules, next_token) = page(all, |(key, _)| &key.name, input.next_token.as_deref(), input.limit)?;
        let rules = rules.into_iter().map(|(key, rule)| summary(key, rule)).collect();
        Ok(ListRulesResponse { rules: Some(rules), next_token })
    }
}

fn summary(key: &RuleKey, rule: &Rule) -> list_rules::Rule {
    list_rules::Rule {
        name: Some(key.name.clone()),
        arn: Some(key.arn()),
        event_pattern: rule.pattern.clone(),
        state: Some(rule.state.clone()),
        description: rule.description.clone(),
        schedule_expression: rule.schedule.clone(),
        role_arn: rule.role_arn.clone(),
        managed_by: None,
        event_bus_name: Some(key.bus.bus.clone()),
    }
}

impl Handle<ListTargetsByRule> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        context: Context,
        input: ListTargetsByRuleRequest,
    ) -> Result<ListTargetsByRuleResponse, EventsFault> {
        let bus = naming::bus(&context.scope, input.event_bus_name.as_deref());
        let state = self.state();
        state.bus(&bus)?;
        let rule = state.rule(&bus.rule(&input.rule))?;
        let mut targets: Vec<_> = rule.targets.iter().collect();
        targets.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let (targets, next_token) =
            page(targets.into_iter(), |target| &target.id, input.next_token.as_deref(), input.limit)?;
        Ok(ListTargetsByRuleResponse { targets: Some(targets.into_iter().map(shown).collect()), next_token })
    }
}

impl Handle<ListRuleNamesByTarget> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        context: Context,
        input: ListRuleNamesByTargetRequest,
    ) -> Result<ListRuleNamesByTargetResponse, EventsFault> {
        let bus = naming::bus(&context.scope, input.event_bus_name.as_deref());
        let state = self.state();
        state.bus(&bus)?;
        let calls = |rule: &Rule| rule.targets.iter().any(|target| target.arn == input.target_arn);
        let all = state.rules_of(&bus, "").filter(|(_, rule)| calls(rule)).map(|(key, _)| key);
        let (rules, next_token) = page(all, |key| &key.name, input.next_token.as_deref(), input.limit)?;
        let rule_names = rules.into_iter().map(|key| key.name.clone()).collect();
        Ok(ListRuleNamesByTargetResponse { rule_names: Some(rule_names), next_token })
    }
}
