//! Put- and GetRuntimeManagementConfig. A host has one version of each runtime: `Manual` can hold on to that one, and
//! refuses another (AWS has old ones to roll back to).

use lambent_api_kit::{Context, Handle};
use lambent_domain::runtime::RuntimeManagement;
use lambent_domain::{Fault, Function, Qualifier, VersionNumber};
use lambent_wire::lambda::operations::get_runtime_management_config::{
    GetRuntimeManagementConfigRequest, GetRuntimeManagementConfigResponse,
};
use lambent_wire::lambda::operations::put_runtime_management_config::{
    PutRuntimeManagementConfigRequest, PutRuntimeManagementConfigResponse,
};
use lambent_wire::lambda::operations::{GetRuntimeManagementConfig, PutRuntimeManagementConfig};

use crate::target::Target;
use crate::{Control, shown};

impl Handle<PutRuntimeManagementConfig> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: PutRuntimeManagementConfigRequest,
    ) -> Result<PutRuntimeManagementConfigResponse, Fault> {
        let target = Target::parse(&input.function_name, input.qualifier.as_deref(), &context.scope)?;
        let number = version_number(&target)?;
        let given = input.runtime_version_arn.as_deref();
        let management = match (input.update_runtime_on.as_str(), given) {
            ("Manual", Some(arn)) => RuntimeManagement::Manual { runtime_version_arn: arn.to_owned() },
            ("Manual", None) => {
                let text = "RuntimeVersionArn is required when UpdateRuntimeOn is set to Manual.";
                return Err(Fault::InvalidParameter(text.into()));
            }
            (_, Some(_)) => {
                let text = "RuntimeVersionArn can only be provided when UpdateRuntimeOn is set to Manual.";
                return Err(Fault::InvalidParameter(text.into()));
            }
            ("FunctionUpdate", None) => RuntimeManagement::FunctionUpdate,
            (_, None) => RuntimeManagement::Auto,
        };
        self.change(&target, |function| {
            self.check_runtime_version(function, number, &target, given)?;
            match &management {
                RuntimeManagement::Auto => drop(function.runtime_management.remove(&number)),
                other => drop(function.runtime_management.insert(number, other.clone())),
            }
            Ok(())
        })
        .await?;
        Ok(PutRuntimeManagementConfigResponse {
            update_runtime_on: input.update_runtime_on,
            function_arn: target.key.qualified_arn(&number.to_string()),
            runtime_version_arn: input.runtime_version_arn,
        })
    }
}

impl Control {
    fn check_runtime_version(
        &self,
        function: &Function,
        number: VersionNumber,
        target: &Target,
        given: Option<&str>,
    ) -> Result<(), Fault> {
        let version = function.version(number).ok_or_else(|| target.not_found())?;
        let region = &function.key.scope.region;
        let here = shown::runtime_version_arn(&version.configuration, region, &*self.parts.runtimes);
        match given {
            Some(arn) if here.as_deref() != Some(arn) => {
                Err(Fault::InvalidParameter(format!("Runtime version {arn} is not available here.")))
            }
            _ => Ok(()),
        }
    }
}

impl Handle<GetRuntimeManagementConfig> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: GetRuntimeManagementConfigRequest,
    ) -> Result<GetRuntimeManagementConfigResponse, Fault> {
        let target = Target::parse(&input.function_name, input.qualifier.as_deref(), &context.scope)?;
        let number = version_number(&target)?;
        let function = self.function(&target)?;
        function.version(number).ok_or_else(|| target.not_found())?;
        let (update_on, arn) = match function.runtime_management.get(&number) {
            None | Some(RuntimeManagement::Auto) => ("Auto", None),
            Some(RuntimeManagement::FunctionUpdate) => ("FunctionUpdate", None),
            Some(RuntimeManagement::Manual { runtime_version_arn }) => {
                ("Manual", Some(runtime_version_arn.clone()))
            }
        };
        Ok(GetRuntimeManagementConfigResponse {
            update_runtime_on: Some(update_on.into()),
            function_arn: Some(target.key.qualified_arn(&number.to_string())),
            runtime_version_arn: arn,
        })
    }
}

/// `$LATEST` or a version (model: an alias is not possible).
fn version_number(target: &Target) -> Result<VersionNumber, Fault> {
    match target.qualifier_or_latest() {
        Qualifier::Latest => Ok(VersionNumber::Latest),
        Qualifier::Version(number) => Ok(VersionNumber::Published(number)),
        Qualifier::Alias(_) => Err(target.not_found()),
    }
}
