//! Roles that belong to services.

use std::sync::Arc;

use super::create_role::DEFAULT_SESSION_S;
use lambent_api_kit::{Context, Handle};
use lambent_domain::RequestId;
use lambent_iam_policy::Policy;
use lambent_ports::iam_store::{Grants, Head, IamChange, IamKind, IamRecord, Role, Tags};
use lambent_wire::iam::operations::create_service_linked_role::{
    CreateServiceLinkedRoleRequest, CreateServiceLinkedRoleResponse,
};
use lambent_wire::iam::operations::delete_service_linked_role::{
    DeleteServiceLinkedRoleRequest, DeleteServiceLinkedRoleResponse,
};
use lambent_wire::iam::operations::get_service_linked_role_deletion_status::{
    GetServiceLinkedRoleDeletionStatusRequest, GetServiceLinkedRoleDeletionStatusResponse,
};
use lambent_wire::iam::operations::{
    CreateServiceLinkedRole, DeleteServiceLinkedRole, GetServiceLinkedRoleDeletionStatus,
};

use crate::here::Here;
use crate::{Iam, IamFault, find, ids, shown};

impl Handle<CreateServiceLinkedRole> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: CreateServiceLinkedRoleRequest,
    ) -> Result<CreateServiceLinkedRoleResponse, IamFault> {
        let here = Here::of(&context);
        let service = &input.aws_service_name;
        let known = SERVICES.iter().find(|known| known.name == service).ok_or_else(|| {
            IamFault::InvalidInput(format!("Service {service} has no service-linked role here."))
        })?;
        let name = match &input.custom_suffix {
            Some(_) if !known.suffix => {
                return Err(IamFault::InvalidInput(format!("Custom suffix is not allowed for {service}")));
            }
            Some(suffix) => format!("{}_{suffix}", known.role),
            None => known.role.to_owned(),
        };
        let trust = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Service":"{service}"}},"Action":"sts:AssumeRole"}}]}}"#
        );
        let path = format!("/aws-service-role/{service}/");
        let role = Role {
            head: Head {
                name: name.clone(),
                path,
                id: ids::entity(&*self.parts.random, "AROA"),
                created_ms: self.now_ms(),
            },
            tags: Tags::new(),
            description: input.description.clone(),
            trust: Arc::new(Policy::parse(&trust)?),
            max_session_s: DEFAULT_SESSION_S,
            grants: Grants {
                attached: vec![format!(
                    "arn:{}:iam::aws:policy/aws-service-role/{}",
                    here.partition, known.policy
                )],
                ..Grants::default()
            },
            boundary: None,
        };
        self.change(&context.scope.account, |account| {
            if account.roles.contains_key(&name.to_lowercase()) {
                let text = format!(
                    "Service role name {name} has been taken in this account, please try a different suffix."
                );
                return Err(IamFault::InvalidInput(text));
            }
            Ok((vec![IamChange::Put(IamRecord::Role(role.clone()))], ()))
        })
        .await?;
        let shown = shown::created_role(&here, &role);
        Ok(CreateServiceLinkedRoleResponse {
            role: Some(lambent_wire::iam::types::Role { description: role.description, ..shown }),
        })
    }
}

impl Handle<DeleteServiceLinkedRole> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteServiceLinkedRoleRequest,
    ) -> Result<DeleteServiceLinkedRoleResponse, IamFault> {
        let path = self
            .change(&context.scope.account, |account| {
                let role = find::role(account, &input.role_name)?;
                if !role.head.path.starts_with(SERVICES_PATH) {
                    return Err(IamFault::missing("role", &input.role_name));
                }
                let path = format!("{}{}", role.head.path, role.head.name);
                Ok((vec![IamChange::Drop(IamKind::Role, role.head.name.clone())], path))
            })
            .await?;
        let task = RequestId::from_random(self.parts.random.bytes16());
        Ok(DeleteServiceLinkedRoleResponse { deletion_task_id: format!("task{path}/{task}") })
    }
}

impl Handle<GetServiceLinkedRoleDeletionStatus> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        _context: Context,
        input: GetServiceLinkedRoleDeletionStatusRequest,
    ) -> Result<GetServiceLinkedRoleDeletionStatusResponse, IamFault> {
        // A deletion is done when it is answered: there is nothing to be remembered of it but its form.
        let id = &input.deletion_task_id;
        let parts: Vec<&str> = id.split('/').collect();
        let done = matches!(parts.as_slice(), ["task", "aws-service-role", _, _, uuid] if RequestId::parse(uuid).is_some());
        match done {
            true => {
                Ok(GetServiceLinkedRoleDeletionStatusResponse { status: "SUCCEEDED".into(), reason: None })
            }
            false => Err(IamFault::NoSuchEntity(format!("Deletion task {id} cannot be found."))),
        }
    }
}

const SERVICES_PATH: &str = "/aws-service-role/";

/// A service that has a role of its own.
struct Service {
    name: &'static str,
    role: &'static str,
    policy: &'static str,
    /// Whether there can be several, told apart by a suffix.
    suffix: bool,
}

const fn one(name: &'static str, role: &'static str, policy: &'static str) -> Service {
    Service { name, role, policy, suffix: false }
}

const fn several(name: &'static str, role: &'static str, policy: &'static str) -> Service {
    Service { name, role, policy, suffix: true }
}

/// Those with suffixes: recorded. The others: AWS documentation.
const SERVICES: &[Service] = &[
    one(
        "apidestinations.events.amazonaws.com",
        "AWSServiceRoleForAmazonEventBridgeApiDestinations",
        "AmazonEventBridgeApiDestinationsServiceRolePolicy",
    ),
    several("autoscaling.amazonaws.com", "AWSServiceRoleForAutoScaling", "AutoScalingServiceRolePolicy"),
    one("batch.amazonaws.com", "AWSServiceRoleForBatch", "BatchServiceRolePolicy"),
    several(
        "connect.amazonaws.com",
        "AWSServiceRoleForAmazonConnect",
        "AmazonConnectServiceLinkedRolePolicy",
    ),
    one(
        "dynamodb.application-autoscaling.amazonaws.com",
        "AWSServiceRoleForApplicationAutoScaling_DynamoDBTable",
        "AWSApplicationAutoscalingDynamoDBTablePolicy",
    ),
    one("ecs.amazonaws.com", "AWSServiceRoleForECS", "AmazonECSServiceRolePolicy"),
    one(
        "elasticloadbalancing.amazonaws.com",
        "AWSServiceRoleForElasticLoadBalancing",
        "AWSElasticLoadBalancingServiceRolePolicy",
    ),
    one(
        "lambda.application-autoscaling.amazonaws.com",
        "AWSServiceRoleForApplicationAutoScaling_LambdaConcurrency",
        "AWSApplicationAutoscalingLambdaConcurrencyPolicy",
    ),
    several("lexv2.amazonaws.com", "AWSServiceRoleForLexV2Bots", "AmazonLexV2BotPolicy"),
    one("ops.apigateway.amazonaws.com", "AWSServiceRoleForAPIGateway", "APIGatewayServiceRolePolicy"),
    one("rds.amazonaws.com", "AWSServiceRoleForRDS", "AmazonRDSServiceRolePolicy"),
    one("replicator.lambda.amazonaws.com", "AWSServiceRoleForLambdaReplicator", "AWSLambdaReplicator"),
];
