//! PutProvisionedConcurrencyConfig: 202 and `IN_PROGRESS`; the invoke path starts the environments.

use lambent_api_kit::{Context, Handle};
use lambent_domain::limits::UNRESERVED_MINIMUM;
use lambent_domain::scaling::Provisioned;
use lambent_domain::{Fault, Function, Qualifier, VersionNumber};
use lambent_kit::utc::offset_s;
use lambent_ports::store::StoreError;
use lambent_wire::lambda::operations::PutProvisionedConcurrencyConfig;
use lambent_wire::lambda::operations::put_provisioned_concurrency_config::{
    PutProvisionedConcurrencyConfigRequest, PutProvisionedConcurrencyConfigResponse,
};

use crate::target::{Target, existing};
use crate::{Control, store_fault};

impl Handle<PutProvisionedConcurrencyConfig> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: PutProvisionedConcurrencyConfigRequest,
    ) -> Result<PutProvisionedConcurrencyConfigResponse, Fault> {
        let target = Target::parse(&input.function_name, Some(&input.qualifier), &context.scope)?;
        let qualifier = target.qualifier_or_latest();
        if qualifier == Qualifier::Latest {
            return Err(unpublished());
        }
        // The model's range has been checked: it is at least 1.
        let requested = input.provisioned_concurrent_executions.unsigned_abs();
        let provisioned = Provisioned { requested, modified: self.now() };
        let change = |function: &mut Function| {
            existing(function, &qualifier)?;
            // Through an alias neither (AWS documentation).
            if function
                .primary(Some(&qualifier))
                .is_some_and(|version| version.number == VersionNumber::Latest)
            {
                return Err(unpublished());
            }
            check_overlap(function, &qualifier)?;
            function.provisioned.insert(qualifier.clone(), provisioned);
            match function.reserved_concurrency {
                Some(reserved) if function.provisioned_concurrency() > reserved => Err(Fault::InvalidParameter(
                    "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function".into(),
                )),
                _ => Ok(()),
            }
        };
        self.change_or(&target, change, |error| refused(error, requested)).await?;
        Ok(PutProvisionedConcurrencyConfigResponse {
            requested_provisioned_concurrent_executions: Some(input.provisioned_concurrent_executions),
            allocated_provisioned_concurrent_executions: Some(0),
            available_provisioned_concurrent_executions: Some(0),
            status: Some("IN_PROGRESS".into()),
            status_reason: None,
            last_modified: Some(offset_s(provisioned.modified.0)),
        })
    }
}

fn unpublished() -> Fault {
    Fault::InvalidParameter(
        "Provisioned Concurrency Configs cannot be applied to unpublished function versions.".into(),
    )
}

/// A version is provisioned either by itself or through an alias.
fn check_overlap(function: &Function, qualifier: &Qualifier) -> Result<(), Fault> {
    match qualifier {
        Qualifier::Alias(name) => {
            let version = function.aliases.get(name).map(|alias| alias.version);
            let taken = version.is_some_and(|version| match version {
                VersionNumber::Published(number) => {
                    function.provisioned.contains_key(&Qualifier::Version(number))
                }
                VersionNumber::Latest => false,
            });
            if taken {
                return Err(Fault::Conflict(
                    "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version".into(),
                ));
            }
        }
        Qualifier::Version(number) => {
            let mut aliases = function.aliases_of(VersionNumber::Published(*number));
            if aliases.any(|(name, _)| function.provisioned.contains_key(&Qualifier::Alias(name.clone()))) {
                return Err(Fault::Conflict("Version is pointed by a Provisioned Concurrency alias".into()));
            }
        }
        Qualifier::Latest => {}
    }
    Ok(())
}

/// The account has less than was asked for, or would keep less unreserved than it must (both recorded).
fn refused(error: StoreError, requested: u32) -> Fault {
    match error {
        StoreError::ConcurrencyExceeded { available } if requested > available + UNRESERVED_MINIMUM => {
            Fault::ConcurrencyLimit(format!(
                "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{}].",
                available + UNRESERVED_MINIMUM
            ))
        }
        StoreError::ConcurrencyExceeded { .. } => Fault::ConcurrencyLimit(format!(
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [{UNRESERVED_MINIMUM}]."
        )),
        other => store_fault(other),
    }
}
