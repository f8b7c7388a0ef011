//! What each operation takes. A role's trust policy has to allow that it is assumed, tagged, and given an identity.

use lambent_api_kit::{Context, Guarded, Needs, guards};
use lambent_ports::access::Need;
use lambent_wire::sts::operations as op;
use lambent_wire::sts::operations::assume_role::AssumeRoleRequest;

use crate::Sts;
use crate::assume_role::role_of;

impl Guarded for Sts {
    const SIGNING_NAME: &'static str = "sts";

    fn complete(&self, _context: &Context, need: &mut Need) {
        let role = role_of(&need.resource).and_then(|(account, name)| self.identities.role(&account, name));
        if let Some(role) = role.filter(|role| role.arn == need.resource) {
            need.policy = Some(role.trust.text().into());
            need.has_tags(&role.tags);
        }
    }
}

fn assume(action: &'static str, input: &AssumeRoleRequest) -> Vec<Need> {
    let need = |action: &'static str| {
        let transitive = input.transitive_tag_keys.clone().unwrap_or_default();
        let need = Need::new(action, &input.role_arn)
            .key("sts:RoleSessionName", &input.role_session_name)
            .key_if("sts:ExternalId", input.external_id.as_ref())
            .key_if("sts:SourceIdentity", input.source_identity.as_ref())
            .request_tags(input.tags.iter().flatten().map(|tag| (&tag.key, &tag.value)));
        if transitive.is_empty() { need } else { need.key_all("sts:TransitiveTagKeys", transitive) }
    };
    let mut needs = vec![need(action)];
    if input.tags.as_ref().is_some_and(|tags| !tags.is_empty()) {
        needs.push(need("sts:TagSession"));
    }
    if input.source_identity.is_some() {
        needs.push(need("sts:SetSourceIdentity"));
    }
    needs
}

guards! { Sts = "sts", op;
    AssumeRole => |_, _, input, action| match role_of(&input.role_arn) {
        Some(_) => Needs::All(assume(action, input)),
        // Refused for what it is.
        None => Needs::Signed,
    };
    GetAccessKeyInfo => |_, _, _, action| Need::new(action, "*");
    // Nobody can be forbidden to ask who they are, or for less than they have.
    GetCallerIdentity => |_, _, _, _| Needs::Signed;
    GetSessionToken => |_, _, _, _| Needs::Signed;
}
