//! DeleteFunction: 204. Running invokes finish; their environments go afterwards. With a version's number only the
//! version is deleted.

use lambent_api_kit::{Context, Handle};
use lambent_domain::{Fault, Function, Qualifier, VersionNumber};
use lambent_wire::lambda::operations::DeleteFunction;
use lambent_wire::lambda::operations::delete_function::{DeleteFunctionRequest, DeleteFunctionResponse};

use crate::Control;
use crate::target::Target;

impl Handle<DeleteFunction> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteFunctionRequest,
    ) -> Result<DeleteFunctionResponse, Fault> {
        let target = Target::parse(&input.function_name, input.qualifier.as_deref(), &context.scope)?;
        self.function(&target)?;
        match &target.qualifier {
            None => {
                let deleted = self.delete_function(&target.key).await?;
                if !deleted {
                    return Err(target.not_found());
                }
            }
            Some(Qualifier::Latest) => {
                return Err(Fault::InvalidParameter(
                    "$LATEST version cannot be deleted without deleting the function.".into(),
                ));
            }
            Some(Qualifier::Version(number)) => {
                self.change(&target, |function| delete_version(function, *number)).await?;
            }
            Some(Qualifier::Alias(_)) => {
                return Err(Fault::InvalidParameter(
                    "Deletion of aliases is not currently supported.".into(),
                ));
            }
        }
        // The modelled status is 200; the answer's own is 204 for functions like these.
        Ok(DeleteFunctionResponse { status_code: Some(204) })
    }
}

/// A version that is not there counts as deleted (recorded).
fn delete_version(function: &mut Function, number: u64) -> Result<(), Fault> {
    let aliases: Vec<&str> =
        function.aliases_of(VersionNumber::Published(number)).map(|(name, _)| name.as_str()).collect();
    if !aliases.is_empty() {
        return Err(Fault::Conflict(format!(
            "Unable to delete version because the following aliases reference it: [{}]",
            aliases.join(", ")
        )));
    }
    function.remove_version(number);
    Ok(())
}
