//! Operations that exist in AWS's API and not here yet, each with what a caller is told.

use lambent_api_kit::NotYet;

pub(crate) const NOT_YET: &[NotYet] = &[
    NotYet {
        name: "AddLayerVersionPermission",
        reason: "layers are not available yet",
    },
    NotYet {
        name: "AddPermission",
        reason: "resource policies are not available yet",
    },
    NotYet {
        name: "CheckpointDurableExecution",
        reason: "durable functions are not available yet",
    },
    NotYet {
        name: "CreateAlias",
        reason: "versions and aliases are not available yet",
    },
    NotYet {
        name: "CreateCapacityProvider",
        reason: "managed instances are not available yet",
    },
    NotYet {
        name: "CreateCodeSigningConfig",
        reason: "code signing is not available yet",
    },
    NotYet {
        name: "CreateEventSourceMapping",
        reason: "event sources are not available yet",
    },
    NotYet {
        name: "CreateFunctionUrlConfig",
        reason: "function URLs are not available yet",
    },
    NotYet {
        name: "DeleteAlias",
        reason: "versions and aliases are not available yet",
    },
    NotYet {
        name: "DeleteCapacityProvider",
        reason: "managed instances are not available yet",
    },
    NotYet {
        name: "DeleteCodeSigningConfig",
        reason: "code signing is not available yet",
    },
    NotYet {
        name: "DeleteDurableExecution",
        reason: "durable functions are not available yet",
    },
    NotYet {
        name: "DeleteEventSourceMapping",
        reason: "event sources are not available yet",
    },
    NotYet {
        name: "DeleteFunctionCodeSigningConfig",
        reason: "code signing is not available yet",
    },
    NotYet {
        name: "DeleteFunctionConcurrency",
        reason: "reserved and provisioned concurrency are not available yet",
    },
    NotYet {
        name: "DeleteFunctionEventInvokeConfig",
        reason: "asynchronous invocation is not available yet",
    },
    NotYet {
        name: "DeleteFunctionUrlConfig",
        reason: "function URLs are not available yet",
    },
    NotYet {
        name: "DeleteLayerVersion",
        reason: "layers are not available yet",
    },
    NotYet {
        name: "DeleteProvisionedConcurrencyConfig",
        reason: "reserved and provisioned concurrency are not available yet",
    },
    NotYet {
        name: "DeleteResourcePolicy",
        reason: "resource policies are not available yet",
    },
    NotYet {
        name: "GetAlias",
        reason: "versions and aliases are not available yet",
    },
    NotYet {
        name: "GetCapacityProvider",
        reason: "managed instances are not available yet",
    },
    NotYet {
        name: "GetCodeSigningConfig",
        reason: "code signing is not available yet",
    },
    NotYet {
        name: "GetDurableExecution",
        reason: "durable functions are not available yet",
    },
    NotYet {
        name: "GetDurableExecutionHistory",
        reason: "durable functions are not available yet",
    },
    NotYet {
        name: "GetDurableExecutionState",
        reason: "durable functions are not available yet",
    },
    NotYet {
        name: "GetEventSourceMapping",
        reason: "event sources are not available yet",
    },
    NotYet {
        name: "GetFunctionCodeSigningConfig",
        reason: "code signing is not available yet",
    },
    NotYet {
        name: "GetFunctionConcurrency",
        reason: "reserved and provisioned concurrency are not available yet",
    },
    NotYet {
        name: "GetFunctionEventInvokeConfig",
        reason: "asynchronous invocation is not available yet",
    },
    NotYet {
        name: "GetFunctionRecursionConfig",
        reason: "recursion detection is not available yet",
    },
    NotYet {
        name: "GetFunctionScalingConfig",
        reason: "reserved and provisioned concurrency are not available yet",
    },
    NotYet {
        name: "GetFunctionUrlConfig",
        reason: "function URLs are not available yet",
    },
    NotYet {
        name: "GetLayerVersion",
        reason: "layers are not available yet",
    },
    NotYet {
        name: "GetLayerVersionByArn",
        reason: "layers are not available yet",
    },
    NotYet {
        name: "GetLayerVersionPolicy",
        reason: "layers are not available yet",
    },
    NotYet {
        name: "GetPolicy",
        reason: "resource policies are not available yet",
    },
    NotYet {
        name: "GetProvisionedConcurrencyConfig",
        reason: "reserved and provisioned concurrency are not available yet",
    },
    NotYet {
        name: "GetResourcePolicy",
        reason: "resource policies are not available yet",
    },
    NotYet {
        name: "GetRuntimeManagementConfig",
        reason: "runtime management is not available yet",
    },
    NotYet {
        name: "InvokeAsync",
        reason: "asynchronous invocation is not available yet",
    },
    NotYet {
        name: "InvokeWithResponseStream",
        reason: "response streaming is not available yet; use Invoke",
    },
    NotYet {
        name: "ListAliases",
        reason: "versions and aliases are not available yet",
    },
    NotYet {
        name: "ListCapacityProviders",
        reason: "managed instances are not available yet",
    },
    NotYet {
        name: "ListCodeSigningConfigs",
        reason: "code signing is not available yet",
    },
    NotYet {
        name: "ListDurableExecutionsByFunction",
        reason: "durable functions are not available yet",
    },
    NotYet {
        name: "ListEventSourceMappings",
        reason: "event sources are not available yet",
    },
    NotYet {
        name: "ListFunctionEventInvokeConfigs",
        reason: "asynchronous invocation is not available yet",
    },
    NotYet {
        name: "ListFunctionUrlConfigs",
        reason: "function URLs are not available yet",
    },
    NotYet {
        name: "ListFunctionVersionsByCapacityProvider",
        reason: "managed instances are not available yet",
    },
    NotYet {
        name: "ListFunctionsByCodeSigningConfig",
        reason: "code signing is not available yet",
    },
    NotYet {
        name: "ListLayerVersions",
        reason: "layers are not available yet",
    },
    NotYet {
        name: "ListLayers",
        reason: "layers are not available yet",
    },
    NotYet {
        name: "ListProvisionedConcurrencyConfigs",
        reason: "reserved and provisioned concurrency are not available yet",
    },
    NotYet {
        name: "ListVersionsByFunction",
        reason: "versions and aliases are not available yet",
    },
    NotYet {
        name: "PauseDurableExecution",
        reason: "durable functions are not available yet",
    },
    NotYet {
        name: "PublishLayerVersion",
        reason: "layers are not available yet",
    },
    NotYet {
        name: "PublishVersion",
        reason: "versions and aliases are not available yet",
    },
    NotYet {
        name: "PutFunctionCodeSigningConfig",
        reason: "code signing is not available yet",
    },
    NotYet {
        name: "PutFunctionConcurrency",
        reason: "reserved and provisioned concurrency are not available yet",
    },
    NotYet {
        name: "PutFunctionEventInvokeConfig",
        reason: "asynchronous invocation is not available yet",
    },
    NotYet {
        name: "PutFunctionRecursionConfig",
        reason: "recursion detection is not available yet",
    },
    NotYet {
        name: "PutFunctionScalingConfig",
        reason: "reserved and provisioned concurrency are not available yet",
    },
    NotYet {
        name: "PutProvisionedConcurrencyConfig",
        reason: "reserved and provisioned concurrency are not available yet",
    },
    NotYet {
        name: "PutResourcePolicy",
        reason: "resource policies are not available yet",
    },
    NotYet {
        name: "PutRuntimeManagementConfig",
        reason: "runtime management is not available yet",
    },
    NotYet {
        name: "RemoveLayerVersionPermission",
        reason: "layers are not available yet",
    },
    NotYet {
        name: "RemovePermission",
        reason: "resource policies are not available yet",
    },
    NotYet {
        name: "ResumeDurableExecution",
        reason: "durable functions are not available yet",
    },
    NotYet {
        name: "SendDurableExecutionCallbackFailure",
        reason: "durable functions are not available yet",
    },
    NotYet {
        name: "SendDurableExecutionCallbackHeartbeat",
        reason: "durable functions are not available yet",
    },
    NotYet {
        name: "SendDurableExecutionCallbackSuccess",
        reason: "durable functions are not available yet",
    },
    NotYet {
        name: "StopDurableExecution",
        reason: "durable functions are not available yet",
    },
    NotYet {
        name: "UpdateAlias",
        reason: "versions and aliases are not available yet",
    },
    NotYet {
        name: "UpdateCapacityProvider",
        reason: "managed instances are not available yet",
    },
    NotYet {
        name: "UpdateCodeSigningConfig",
        reason: "code signing is not available yet",
    },
    NotYet {
        name: "UpdateEventSourceMapping",
        reason: "event sources are not available yet",
    },
    NotYet {
        name: "UpdateFunctionEventInvokeConfig",
        reason: "asynchronous invocation is not available yet",
    },
    NotYet {
        name: "UpdateFunctionUrlConfig",
        reason: "function URLs are not available yet",
    },
];
