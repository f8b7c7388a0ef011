//! CreateRole.

use lambent_api_kit::{Context, Handle};
use lambent_ports::iam_store::{Grants, Head, IamChange, IamRecord, Role};
use lambent_wire::iam::operations::CreateRole;
use lambent_wire::iam::operations::create_role::{CreateRoleRequest, CreateRoleResponse};

use crate::here::Here;
use crate::{Iam, IamFault, documents, find, ids, quotas, shown, tags};

impl Handle<CreateRole> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: CreateRoleRequest,
    ) -> Result<CreateRoleResponse, IamFault> {
        let here = Here::of(&context);
        let id = ids::entity(&*self.parts.random, "AROA");
        let created_ms = self.now_ms();
        let role = self
            .change(&context.scope.account, |account| {
                if account.roles.contains_key(&input.role_name.to_lowercase()) {
                    return Err(IamFault::exists("Role", &input.role_name));
                }
                if account.roles.len() >= quotas::ROLES {
                    return Err(IamFault::quota("RolesPerAccount", quotas::ROLES));
                }
                let trust = documents::read_trust(&here, account, &input.assume_role_policy_document)?;
                if documents::size(&trust) > quotas::TRUST_SIZE {
                    return Err(IamFault::quota("ACLSizePerRole", quotas::TRUST_SIZE));
                }
                if let Some(boundary) = &input.permissions_boundary {
                    find::attachable(&here, account, boundary)?;
                }
                let path = input.path.clone().unwrap_or_else(|| "/".into());
                // Services make their roles with an operation of their own.
                if path.starts_with("/aws-service-role/") {
                    let text = format!("Path {path} is reserved for service-linked roles.");
                    return Err(IamFault::InvalidInput(text));
                }
                let role = Role {
                    head: Head { name: input.role_name.clone(), path, id: id.clone(), created_ms },
                    tags: tags::read(input.tags.clone())?,
                    description: input.description.clone(),
                    trust,
                    max_session_s: input.max_session_duration.map_or(DEFAULT_SESSION_S, |given| given as u32),
                    grants: Grants::default(),
                    boundary: input.permissions_boundary.clone(),
                };
                Ok((vec![IamChange::Put(IamRecord::Role(role.clone()))], role))
            })
            .await?;
        Ok(CreateRoleResponse { role: shown::created_role(&here, &role) })
    }
}

/// How long a session of a role lasts at most that doesn't say.
pub(crate) const DEFAULT_SESSION_S: u32 = 3_600;
