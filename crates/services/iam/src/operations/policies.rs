//! Managed policies.

use lambent_api_kit::{Context, Handle};
use lambent_iam_policy::Kind;
use lambent_ports::iam_store::{Head, IamChange, IamKind, IamRecord, ManagedPolicy, PolicyVersion};
use lambent_wire::iam::operations::create_policy::{CreatePolicyRequest, CreatePolicyResponse};
use lambent_wire::iam::operations::delete_policy::{DeletePolicyRequest, DeletePolicyResponse};
use lambent_wire::iam::operations::get_policy::{GetPolicyRequest, GetPolicyResponse};
use lambent_wire::iam::operations::list_policies::{ListPoliciesRequest, ListPoliciesResponse};
use lambent_wire::iam::operations::{CreatePolicy, DeletePolicy, GetPolicy, ListPolicies};

use crate::find::Managed;
use crate::here::Here;
use crate::owner::{Use, Uses};
use crate::paging::page;
use crate::{Iam, IamFault, aws_managed, documents, find, ids, quotas, shown, tags};

impl Handle<CreatePolicy> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: CreatePolicyRequest,
    ) -> Result<CreatePolicyResponse, IamFault> {
        let here = Here::of(&context);
        let document = documents::read(&input.policy_document, Kind::Identity { managed: true })?;
        if documents::size(&document) > quotas::POLICY_SIZE {
            return Err(IamFault::quota("PolicySize", quotas::POLICY_SIZE));
        }
        let id = ids::entity(&*self.parts.random, "ANPA");
        let now_ms = self.now_ms();
        let policy = self
            .change(&context.scope.account, |account| {
                if account.policies.contains_key(&input.policy_name.to_lowercase()) {
                    let name = &input.policy_name;
                    let text =
                        format!("A policy called {name} already exists. Duplicate names are not allowed.");
                    return Err(IamFault::EntityAlreadyExists(text));
                }
                if account.policies.len() >= quotas::POLICIES {
                    return Err(IamFault::quota("PoliciesPerAccount", quotas::POLICIES));
                }
                let path = input.path.clone().unwrap_or_else(|| "/".into());
                let policy = ManagedPolicy {
                    head: Head { name: input.policy_name.clone(), path, id: id.clone(), created_ms: now_ms },
                    tags: tags::read(input.tags.clone())?,
                    description: input.description.clone(),
                    versions: vec![PolicyVersion {
                        number: 1,
                        document: document.clone(),
                        created_ms: now_ms,
                    }],
                    default_version: 1,
                    last_version: 1,
                    updated_ms: now_ms,
                };
                let shown = shown::created_policy(&here, &Uses::of(account), &policy);
                Ok((vec![IamChange::Put(IamRecord::Policy(policy))], shown))
            })
            .await?;
        Ok(CreatePolicyResponse { policy: Some(policy) })
    }
}

impl Handle<GetPolicy> for Iam {
    type Fault = IamFault;

    async fn handle(&self, context: Context, input: GetPolicyRequest) -> Result<GetPolicyResponse, IamFault> {
        let (here, account) = (Here::of(&context), self.account(&context));
        let policy = find::policy(&here, &account, &input.policy_arn)?;
        Ok(GetPolicyResponse { policy: Some(shown::whole_policy(&here, &Uses::of(&account), &policy)) })
    }
}

impl Handle<ListPolicies> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: ListPoliciesRequest,
    ) -> Result<ListPoliciesResponse, IamFault> {
        let (here, account) = (Here::of(&context), self.account(&context));
        let uses = Uses::of(&account);
        let scope = input.scope.as_deref().unwrap_or("All");
        let own = account.policies.values().map(Managed::Own).filter(|_| scope != "AWS");
        let aws = aws_managed::all().map(Managed::Aws).filter(|_| scope != "Local");
        let mut policies: Vec<_> = own
            .chain(aws)
            .map(|policy| shown::policy(&here, &uses, &policy))
            .filter(|policy| wanted(&input, policy))
            .map(|policy| (policy.arn.clone().unwrap_or_default(), policy))
            .collect();
        policies.sort_by(|(one, _), (other, _)| one.cmp(other));
        let page = page(policies, input.marker.as_deref(), input.max_items);
        Ok(ListPoliciesResponse {
            policies: Some(page.items),
            is_truncated: page.is_truncated,
            marker: page.marker,
        })
    }
}

impl Handle<DeletePolicy> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: DeletePolicyRequest,
    ) -> Result<DeletePolicyResponse, IamFault> {
        let here = Here::of(&context);
        self.change(&context.scope.account, |account| {
            let policy = find::own_policy(&here, account, &input.policy_arn)?;
            if Uses::of(account).count(&input.policy_arn) != Use::default() {
                return Err(IamFault::DeleteConflict("Cannot delete a policy attached to entities.".into()));
            }
            if policy.versions.len() > 1 {
                let text = "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.";
                return Err(IamFault::DeleteConflict(text.into()));
            }
            Ok((vec![IamChange::Drop(IamKind::Policy, policy.head.name.clone())], ()))
        })
        .await?;
        Ok(DeletePolicyResponse::default())
    }
}

fn wanted(input: &ListPoliciesRequest, policy: &lambent_wire::iam::types::Policy) -> bool {
    let in_path = policy
        .path
        .as_deref()
        .is_some_and(|path| input.path_prefix.as_deref().is_none_or(|prefix| path.starts_with(prefix)));
    let (attached, bounds) =
        (policy.attachment_count.unwrap_or(0), policy.permissions_boundary_usage_count.unwrap_or(0));
    let used = match input.policy_usage_filter.as_deref() {
        Some("PermissionsPolicy") => attached > 0,
        Some(_) => bounds > 0,
        None => true,
    };
    in_path && used && (!input.only_attached.unwrap_or(false) || attached + bounds > 0)
}
