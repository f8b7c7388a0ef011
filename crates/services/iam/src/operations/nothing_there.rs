//! What tools ask for before they delete a user, and what can't be made here: there is none.

use lambent_api_kit::{Context, Handle};
use lambent_ports::iam_store::IamAccount;
use lambent_wire::iam::operations::delete_login_profile::{
    DeleteLoginProfileRequest, DeleteLoginProfileResponse,
};
use lambent_wire::iam::operations::get_login_profile::{GetLoginProfileRequest, GetLoginProfileResponse};
use lambent_wire::iam::operations::list_mfa_devices::{ListMFADevicesRequest, ListMFADevicesResponse};
use lambent_wire::iam::operations::list_open_id_connect_providers::{
    ListOpenIDConnectProvidersRequest, ListOpenIDConnectProvidersResponse,
};
use lambent_wire::iam::operations::list_saml_providers::{
    ListSAMLProvidersRequest, ListSAMLProvidersResponse,
};
use lambent_wire::iam::operations::list_server_certificates::{
    ListServerCertificatesRequest, ListServerCertificatesResponse,
};
use lambent_wire::iam::operations::list_signing_certificates::{
    ListSigningCertificatesRequest, ListSigningCertificatesResponse,
};
use lambent_wire::iam::operations::list_ssh_public_keys::{
    ListSSHPublicKeysRequest, ListSSHPublicKeysResponse,
};
use lambent_wire::iam::operations::list_virtual_mfa_devices::{
    ListVirtualMFADevicesRequest, ListVirtualMFADevicesResponse,
};
use lambent_wire::iam::operations::{
    DeleteLoginProfile, GetLoginProfile, ListMFADevices, ListOpenIDConnectProviders, ListSAMLProviders,
    ListSSHPublicKeys, ListServerCertificates, ListSigningCertificates, ListVirtualMFADevices,
};

use crate::{Iam, IamFault, find};

impl Handle<ListMFADevices> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: ListMFADevicesRequest,
    ) -> Result<ListMFADevicesResponse, IamFault> {
        if let Some(name) = &input.user_name {
            find::user(&self.account(&context), name)?;
        }
        Ok(ListMFADevicesResponse { mfa_devices: Vec::new(), is_truncated: Some(false), marker: None })
    }
}

impl Handle<ListSSHPublicKeys> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: ListSSHPublicKeysRequest,
    ) -> Result<ListSSHPublicKeysResponse, IamFault> {
        if let Some(name) = &input.user_name {
            find::user(&self.account(&context), name)?;
        }
        Ok(ListSSHPublicKeysResponse {
            ssh_public_keys: Some(Vec::new()),
            is_truncated: Some(false),
            marker: None,
        })
    }
}

impl Handle<ListSigningCertificates> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: ListSigningCertificatesRequest,
    ) -> Result<ListSigningCertificatesResponse, IamFault> {
        if let Some(name) = &input.user_name {
            find::user(&self.account(&context), name)?;
        }
        Ok(ListSigningCertificatesResponse {
            certificates: Vec::new(),
            is_truncated: Some(false),
            marker: None,
        })
    }
}

impl Handle<ListServerCertificates> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        _context: Context,
        _input: ListServerCertificatesRequest,
    ) -> Result<ListServerCertificatesResponse, IamFault> {
        Ok(ListServerCertificatesResponse {
            server_certificate_metadata_list: Vec::new(),
            is_truncated: Some(false),
            marker: None,
        })
    }
}

impl Handle<ListVirtualMFADevices> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        _context: Context,
        _input: ListVirtualMFADevicesRequest,
    ) -> Result<ListVirtualMFADevicesResponse, IamFault> {
        Ok(ListVirtualMFADevicesResponse {
            virtual_mfa_devices: Vec::new(),
            is_truncated: Some(false),
            marker: None,
        })
    }
}

impl Handle<ListOpenIDConnectProviders> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        _context: Context,
        _input: ListOpenIDConnectProvidersRequest,
    ) -> Result<ListOpenIDConnectProvidersResponse, IamFault> {
        Ok(ListOpenIDConnectProvidersResponse { open_id_connect_provider_list: Some(Vec::new()) })
    }
}

impl Handle<ListSAMLProviders> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        _context: Context,
        _input: ListSAMLProvidersRequest,
    ) -> Result<ListSAMLProvidersResponse, IamFault> {
        Ok(ListSAMLProvidersResponse { saml_provider_list: Some(Vec::new()) })
    }
}

impl Handle<GetLoginProfile> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: GetLoginProfileRequest,
    ) -> Result<GetLoginProfileResponse, IamFault> {
        Err(no_profile(&self.account(&context), input.user_name.as_deref()))
    }
}

impl Handle<DeleteLoginProfile> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteLoginProfileRequest,
    ) -> Result<DeleteLoginProfileResponse, IamFault> {
        Err(no_profile(&self.account(&context), input.user_name.as_deref()))
    }
}

fn no_profile(account: &IamAccount, user: Option<&str>) -> IamFault {
    let name = user.unwrap_or_default();
    match find::user(account, name) {
        Err(missing) => missing,
        Ok(_) => IamFault::NoSuchEntity(format!("Login Profile for User {name} cannot be found.")),
    }
}
