//! Questions about what can't be made here, which have a true answer nevertheless: there is none.

use lambent_api_kit::{Context, Handle};
use lambent_wire::sns::operations::get_data_protection_policy::{
    GetDataProtectionPolicyInput, GetDataProtectionPolicyResponse,
};
use lambent_wire::sns::operations::list_platform_applications::{
    ListPlatformApplicationsInput, ListPlatformApplicationsResponse,
};
use lambent_wire::sns::operations::{GetDataProtectionPolicy, ListPlatformApplications};

use crate::{Sns, SnsFault};

impl Handle<GetDataProtectionPolicy> for Sns {
    type Fault = SnsFault;

    async fn handle(
        &self,
        context: Context,
        input: GetDataProtectionPolicyInput,
    ) -> Result<GetDataProtectionPolicyResponse, SnsFault> {
        self.topic(&context.scope, &input.resource_arn)?;
        Ok(GetDataProtectionPolicyResponse { data_protection_policy: Some(String::new()) })
    }
}

impl Handle<ListPlatformApplications> for Sns {
    type Fault = SnsFault;

    async fn handle(
        &self,
        _context: Context,
        _input: ListPlatformApplicationsInput,
    ) -> Result<ListPlatformApplicationsResponse, SnsFault> {
        Ok(ListPlatformApplicationsResponse { platform_applications: Some(Vec::new()), next_token: None })
    }
}
