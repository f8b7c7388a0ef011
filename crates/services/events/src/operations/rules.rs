//! DeleteRule, EnableRule, DisableRule and RemoveTargets.

use lambent_api_kit::{Context, Handle};
use lambent_wire::events::operations::delete_rule::{DeleteRuleRequest, DeleteRuleResponse};
use lambent_wire::events::operations::disable_rule::{DisableRuleRequest, DisableRuleResponse};
use lambent_wire::events::operations::enable_rule::{EnableRuleRequest, EnableRuleResponse};
use lambent_wire::events::operations::remove_targets::{RemoveTargetsRequest, RemoveTargetsResponse};
use lambent_wire::events::operations::{DeleteRule, DisableRule, EnableRule, RemoveTargets};

use crate::record::Rule;
use crate::state::Write;
use crate::{Events, EventsFault, naming};

impl Handle<DeleteRule> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteRuleRequest,
    ) -> Result<DeleteRuleResponse, EventsFault> {
        let bus = naming::bus(&context.scope, input.event_bus_name.as_deref());
        self.change(|state| {
            state.bus(&bus)?;
            let key = bus.rule(&input.name);
            // One that is not there is deleted, too (AWS).
            let Ok(rule) = state.rule(&key) else { return Ok((Vec::new(), ())) };
            if !rule.targets.is_empty() {
                return Err(EventsFault::Validation("Rule can't be deleted since it has targets.".into()));
            }
            Ok((vec![Write::DeleteRule(key)], ()))
        })
        .await?;
        Ok(DeleteRuleResponse::default())
    }
}

impl Events {
    async fn set_state(
        &self,
        context: &Context,
        bus: Option<&str>,
        name: &str,
        enabled: bool,
    ) -> Result<(), EventsFault> {
        let bus = naming::bus(&context.scope, bus);
        let now_ms = self.parts.clock.now_ms();
        self.change(|state| {
            state.bus(&bus)?;
            let key = bus.rule(name);
            let mut rule = Rule::clone(&*state.rule(&key)?);
            if rule.is_enabled() == enabled {
                return Ok((Vec::new(), ()));
            }
            // What was due while it was disabled does not come.
            (rule.anchor_ms, rule.seen_ms) = (now_ms, now_ms);
            rule.state = if enabled { "ENABLED".into() } else { "DISABLED".into() };
            Ok((vec![Write::Rule(key, rule)], ()))
        })
        .await
    }
}

impl Handle<EnableRule> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        context: Context,
        input: EnableRuleRequest,
    ) -> Result<EnableRuleResponse, EventsFault> {
        self.set_state(&context, input.event_bus_name.as_deref(), &input.name, true).await?;
        Ok(EnableRuleResponse::default())
    }
}

impl Handle<DisableRule> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        context: Context,
        input: DisableRuleRequest,
    ) -> Result<DisableRuleResponse, EventsFault> {
        self.set_state(&context, input.event_bus_name.as_deref(), &input.name, false).await?;
        Ok(DisableRuleResponse::default())
    }
}

impl Handle<RemoveTargets> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        context: Context,
        input: RemoveTargetsRequest,
    ) -> Result<RemoveTargetsResponse, EventsFault> {
        let bus = naming::bus(&context.scope, input.event_bus_name.as_deref());
        self.change(|state| {
            state.bus(&bus)?;
            let key = bus.rule(&input.rule);
            let mut rule = Rule::clone(&*state.rule(&key)?);
            // Ids that are not there are no failure.
            rule.targets.retain(|target| !input.ids.contains(&target.id));
            Ok((vec![Write::Rule(key, rule)], ()))
        })
        .await?;
        Ok(RemoveTargetsResponse { failed_entry_count: Some(0), failed_entries: Some(Vec::new()) })
    }
}
