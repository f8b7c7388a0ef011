//! PutPermission and RemovePermission: the policy of a bus. It is kept and shown; whether it lets somebody in is checked
//! where requests are authorised.

use lambent_api_kit::{Context, Handle};
use lambent_wire::events::operations::put_permission::{PutPermissionRequest, PutPermissionResponse};
use lambent_wire::events::operations::remove_permission::{
    RemovePermissionRequest, RemovePermissionResponse,
};
use lambent_wire::events::operations::{PutPermission, RemovePermission};

use crate::record::Bus;
use crate::state::Write;
use crate::{Events, EventsFault, naming, policy};

impl Handle<PutPermission> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        context: Context,
        input: PutPermissionRequest,
    ) -> Result<PutPermissionResponse, EventsFault> {
        let key = naming::bus(&context.scope, input.event_bus_name.as_deref());
        let now_ms = self.parts.clock.now_ms();
        self.change(|state| {
            let known = Bus::clone(&*state.bus(&key)?);
            let policy = policy::put(&key, known.policy.as_deref(), &input)?;
            let bus = Bus { policy: Some(policy), modified_ms: now_ms, ..known };
            Ok((vec![Write::Bus(key, bus)], ()))
        })
        .await?;
        Ok(PutPermissionResponse::default())
    }
}

impl Handle<RemovePermission> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        context: Context,
        input: RemovePermissionRequest,
    ) -> Result<RemovePermissionResponse, EventsFault> {
        let key = naming::bus(&context.scope, input.event_bus_name.as_deref());
        let now_ms = self.parts.clock.now_ms();
        self.change(|state| {
            let known = Bus::clone(&*state.bus(&key)?);
            let policy = match input.remove_all_permissions {
                Some(true) => None,
                _ => {
                    let id = input.statement_id.as_deref().ok_or_else(|| {
                        EventsFault::Validation("Parameter StatementId is required.".into())
                    })?;
                    policy::without(known.policy.as_deref(), id)?
                }
            };
            let bus = Bus { policy, modified_ms: now_ms, ..known };
            Ok((vec![Write::Bus(key, bus)], ()))
        })
        .await?;
        Ok(RemovePermissionResponse::default())
    }
}
