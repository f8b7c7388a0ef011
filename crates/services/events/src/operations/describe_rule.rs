//! DescribeRule.

use lambent_api_kit::{Context, Handle};
use lambent_wire::events::operations::DescribeRule;
use lambent_wire::events::operations::describe_rule::{DescribeRuleRequest, DescribeRuleResponse};

use crate::record::Rule;
use crate::{Events, EventsFault, naming};

impl Handle<DescribeRule> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        context: Context,
        input: DescribeRuleRequest,
    ) -> Result<DescribeRuleResponse, EventsFault> {
        let bus = naming::bus(&context.scope, input.event_bus_name.as_deref());
        let state = self.state();
        state.bus(&bus)?;
        let key = bus.rule(&input.name);
        let rule = Rule::clone(&*state.rule(&key)?);
        Ok(DescribeRuleResponse {
            arn: Some(key.arn()),
            name: Some(key.name),
            event_pattern: rule.pattern,
            schedule_expression: rule.schedule,
            state: Some(rule.state),
            description: rule.description,
            role_arn: rule.role_arn,
            managed_by: None,
            created_by: Some(bus.scope.account.to_string()),
            event_bus_name: Some(bus.bus),
        })
    }
}
