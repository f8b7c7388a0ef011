//! AddLayerVersionPermission: lets other accounts use a layer version.

use lambent_api_kit::{Context, Handle};
use lambent_domain::names::partition;
use lambent_domain::policy::Statement;
use lambent_domain::{Fault, Policy, Region};
use lambent_wire::lambda::operations::AddLayerVersionPermission;
use lambent_wire::lambda::operations::add_layer_version_permission::{
    AddLayerVersionPermissionRequest, AddLayerVersionPermissionResponse,
};

use super::layer_version_policy::check_layer_policy_revision;
use crate::Control;
use crate::layers::{own_key, version_number};
use crate::policy::{self, quoted};

impl Handle<AddLayerVersionPermission> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: AddLayerVersionPermissionRequest,
    ) -> Result<AddLayerVersionPermissionResponse, Fault> {
        let number = version_number(input.version_number)?;
        let key = own_key(&input.layer_name, &context, "lambda:AddLayerVersionPermission")?;
        let json = statement(&input, &key.version_arn(number), &context.scope.region);
        let revision_id = self
            .change_layer_version(&key, number, |version| {
                let mut next = version.policy.clone().unwrap_or_else(|| Policy::empty(self.new_revision()));
                let added = Statement { sid: Some(input.statement_id.clone()), json: json.clone() };
                policy::add(&mut next, added)?;
                check_layer_policy_revision(version.policy.as_ref(), input.revision_id.as_deref())?;
                next.revision_id = self.new_revision();
                let revision_id = next.revision_id;
                version.policy = Some(next);
                Ok(revision_id)
            })
            .await?;
        Ok(AddLayerVersionPermissionResponse {
            statement: Some(json),
            revision_id: Some(revision_id.to_string()),
        })
    }
}

/// As AWS writes it (documentation of the operation): an account becomes the ARN of its root.
fn statement(input: &AddLayerVersionPermissionRequest, resource: &str, region: &Region) -> String {
    let principal = match input.principal.as_str() {
        "*" => quoted("*"),
        arn if arn.starts_with("arn:") => format!(r#"{{"AWS":{}}}"#, quoted(arn)),
        account => {
            let arn = format!("arn:{}:iam::{account}:root", partition(region));
            format!(r#"{{"AWS":{}}}"#, quoted(&arn))
        }
    };
    let condition = input
        .organization_id
        .as_ref()
        .map(|id| format!(r#","Condition":{{"StringEquals":{{"aws:PrincipalOrgID":{}}}}}"#, quoted(id)));
    format!(
        r#"{{"Sid":{},"Effect":"Allow","Principal":{principal},"Action":{},"Resource":{}{}}}"#,
        quoted(&input.statement_id),
        quoted(&input.action),
        quoted(resource),
        condition.unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(principal: &str, organization: Option<&str>) -> String {
        let input = AddLayerVersionPermissionRequest {
            layer_name: "l".into(),
            version_number: 1,
            statement_id: "s1".into(),
            action: "lambda:GetLayerVersion".into(),
            principal: principal.into(),
            organization_id: organization.map(str::to_owned),
            revision_id: None,
        };
        statement(&input, "arn:l", &Region::parse("us-east-1").unwrap())
    }

    #[test]
    fn statements_are_awss() {
        let rest = r#""Action":"lambda:GetLayerVersion","Resource":"arn:l""#;
        assert_eq!(of("*", None), format!(r#"{{"Sid":"s1","Effect":"Allow","Principal":"*",{rest}}}"#));
        let root = r#"{"AWS":"arn:aws:iam::210987654321:root"}"#;
        let expected = format!(r#"{{"Sid":"s1","Effect":"Allow","Principal":{root},{rest}}}"#);
        assert_eq!(of("210987654321", None), expected);
        assert_eq!(of("arn:aws:iam::210987654321:root", None), expected);
        let condition = r#""Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-0123456789"}}"#;
        assert_eq!(
            of("*", Some("o-0123456789")),
            format!(r#"{{"Sid":"s1","Effect":"Allow","Principal":"*",{rest},{condition}}}"#)
        );
    }
}
