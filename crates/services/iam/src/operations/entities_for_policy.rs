//! ListEntitiesForPolicy.

use lambent_api_kit::{Context, Handle};
use lambent_ports::iam_store::{Grants, Head};
use lambent_wire::iam::operations::ListEntitiesForPolicy;
use lambent_wire::iam::operations::list_entities_for_policy::{
    ListEntitiesForPolicyRequest, ListEntitiesForPolicyResponse,
};
use lambent_wire::iam::operations::list_entities_for_policy::{PolicyGroup, PolicyRole, PolicyUser};

use crate::here::Here;
use crate::paging::page;
use crate::{Iam, IamFault, find};

impl Handle<ListEntitiesForPolicy> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: ListEntitiesForPolicyRequest,
    ) -> Result<ListEntitiesForPolicyResponse, IamFault> {
        let (here, account) = (Here::of(&context), self.account(&context));
        find::policy(&here, &account, &input.policy_arn)?;
        let wanted = |kind: &str, head: &Head, grants: &Grants, boundary: Option<&String>| {
            let attached = grants.attached.contains(&input.policy_arn);
            let bounds = boundary == Some(&input.policy_arn);
            let used = match input.policy_usage_filter.as_deref() {
                Some("PermissionsPolicy") => attached,
                Some(_) => bounds,
                None => attached || bounds,
            };
            used && input.entity_filter.as_deref().is_none_or(|filter| filter == kind)
                && head.path.starts_with(input.path_prefix.as_deref().unwrap_or("/"))
        };
        let mut found = Vec::new();
        for group in account.groups.values().filter(|one| wanted("Group", &one.head, &one.grants, None)) {
            found.push((format!("group/{}", group.head.name), Entity::Group(&group.head)));
        }
        for role in account.roles.values() {
            if wanted("Role", &role.head, &role.grants, role.boundary.as_ref()) {
                found.push((format!("role/{}", role.head.name), Entity::Role(&role.head)));
            }
        }
        for user in account.users.values() {
            if wanted("User", &user.head, &user.grants, user.boundary.as_ref()) {
                found.push((format!("user/{}", user.head.name), Entity::User(&user.head)));
            }
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        let page = page(found, input.marker.as_deref(), input.max_items);
        Ok(answer(page.items, page.is_truncated, page.marker))
    }
}

enum Entity<'a> {
    Group(&'a Head),
    Role(&'a Head),
    User(&'a Head),
}

fn answer(
    found: Vec<Entity<'_>>,
    is_truncated: Option<bool>,
    marker: Option<String>,
) -> ListEntitiesForPolicyResponse {
    let (mut groups, mut roles, mut users) = (Vec::new(), Vec::new(), Vec::new());
    for entity in found {
        match entity {
            Entity::Group(head) => groups
                .push(PolicyGroup { group_name: Some(head.name.clone()), group_id: Some(head.id.clone()) }),
            Entity::Role(head) => {
                roles.push(PolicyRole { role_name: Some(head.name.clone()), role_id: Some(head.id.clone()) });
            }
            Entity::User(head) => {
                users.push(PolicyUser { user_name: Some(head.name.clone()), user_id: Some(head.id.clone()) });
            }
        }
    }
    ListEntitiesForPolicyResponse {
        policy_groups: Some(groups),
        policy_users: Some(users),
        policy_roles: Some(roles),
        is_truncated,
        marker,
    }
}
