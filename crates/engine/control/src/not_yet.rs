//! Operations that exist in AWS's API and not here yet, each with what a caller is told.

use lambent_api_kit::NotYet;

/// Nothing that these work on can exist.
const DURABLE: &str = "no function can be durable here, because CreateFunction refuses DurableConfig, so there are no executions; keep state in a workflow service of your own and call the function with Invoke";
const MANAGED_INSTANCES: &str = "functions run in sandboxes on this machine, and there are no EC2 instances to manage; use provisioned concurrency to keep environments ready";

pub(crate) const NOT_YET: &[NotYet] = &[
    NotYet { name: "CheckpointDurableExecution", reason: DURABLE },
    NotYet { name: "CreateCapacityProvider", reason: MANAGED_INSTANCES },
    NotYet { name: "DeleteCapacityProvider", reason: MANAGED_INSTANCES },
    NotYet { name: "DeleteDurableExecution", reason: DURABLE },
    NotYet { name: "GetDurableExecution", reason: DURABLE },
    NotYet { name: "GetDurableExecutionHistory", reason: DURABLE },
    NotYet { name: "GetDurableExecutionState", reason: DURABLE },
    NotYet {
        name: "InvokeWithResponseStream",
        reason: "response streaming is not available yet; use Invoke",
    },
    NotYet { name: "PauseDurableExecution", reason: DURABLE },
    NotYet { name: "ResumeDurableExecution", reason: DURABLE },
    NotYet { name: "SendDurableExecutionCallbackFailure", reason: DURABLE },
    NotYet { name: "SendDurableExecutionCallbackHeartbeat", reason: DURABLE },
    NotYet { name: "SendDurableExecutionCallbackSuccess", reason: DURABLE },
    NotYet { name: "StopDurableExecution", reason: DURABLE },
    NotYet { name: "UpdateCapacityProvider", reason: MANAGED_INSTANCES },
];
