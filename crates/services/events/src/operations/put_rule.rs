//! PutRule: makes a rule, or replaces everything of one but its targets and tags.

use lambent_api_kit::{Context, Handle};
use lambent_cron::Expression;
use lambent_event_pattern::Pattern;
use lambent_wire::events::operations::PutRule;
use lambent_wire::events::operations::put_rule::{PutRuleRequest, PutRuleResponse};

use crate::record::{DEFAULT_BUS, Rule};
use crate::state::Write;
use crate::{Events, EventsFault, naming};

/// Rules of one bus (AWS's quota that can't be missed: 300 is what an account begins with, and it can be raised).
const MAX_RULES: usize = 100_000;

impl Handle<PutRule> for Events {
    type Fault = EventsFault;

    async fn handle(&self, context: Context, input: PutRuleRequest) -> Result<PutRuleResponse, EventsFault> {
        let bus = naming::bus(&context.scope, input.event_bus_name.as_deref());
        check(&input, &bus.bus)?;
        let key = bus.rule(&input.name);
        let now_ms = self.parts.clock.now_ms();
        let arn = key.arn();
        self.change(|state| {
            state.bus(&bus)?;
            let known = state.rules.get(&key);
            if known.is_none() && state.rules_of(&bus, "").count() >= MAX_RULES {
                return Err(EventsFault::Limit);
            }
            let rule = replaced(known.map(|rule| &**rule), input, now_ms);
            Ok((vec![Write::Rule(key, rule)], ()))
        })
        .await?;
        Ok(PutRuleResponse { rule_arn: Some(arn) })
    }
}

fn check(input: &PutRuleRequest, bus: &str) -> Result<(), EventsFault> {
    let given = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    if !given(&input.event_pattern) && !given(&input.schedule_expression) {
        let text = "Parameter(s) EventPattern or ScheduleExpression must be specified.";
        return Err(EventsFault::Validation(text.into()));
    }
    if let Some(schedule) = input.schedule_expression.as_deref().filter(|text| !text.is_empty()) {
        if bus != DEFAULT_BUS {
            let text = "ScheduleExpression is supported only on the default event bus.";
            return Err(EventsFault::Validation(text.into()));
        }
        Expression::of_rule(schedule).map_err(|_| EventsFault::parameter("ScheduleExpression"))?;
    }
    if let Some(pattern) = input.event_pattern.as_deref().filter(|text| !text.is_empty()) {
        Pattern::compile(pattern)?;
    }
    Ok(())
}

fn replaced(known: Option<&Rule>, input: PutRuleRequest, now_ms: u64) -> Rule {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let mut rule = Rule {
        pattern: given(input.event_pattern),
        schedule: given(input.schedule_expression),
        state: input.state.unwrap_or_else(|| "ENABLED".into()),
        description: input.description,
        role_arn: input.role_arn,
        tags: input.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect(),
        targets: Vec::new(),
        anchor_ms: now_ms,
        seen_ms: now_ms,
    };
    if let Some(known) = known {
        // Tags of a rule that is there are left alone (AWS documentation).
        rule.tags = known.tags.clone();
        rule.targets = known.targets.clone();
        if known.schedule == rule.schedule && known.is_enabled() && rule.is_enabled() {
            // The same schedule goes on (judgement).
            (rule.anchor_ms, rule.seen_ms) = (known.anchor_ms, known.seen_ms);
        }
    }
    rule
}
