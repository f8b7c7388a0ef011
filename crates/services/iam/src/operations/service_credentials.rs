//! Passwords of users for single services. Kept and told; no service here takes them.

use lambent_api_kit::{Context, Handle};
use lambent_ports::iam_store::{IamChange, IamRecord, ServiceCredential, User};
use lambent_ports::identity::Secret;
use lambent_wire::iam::operations::create_service_specific_credential::{
    CreateServiceSpecificCredentialRequest, CreateServiceSpecificCredentialResponse,
};
use lambent_wire::iam::operations::delete_service_specific_credential::{
    DeleteServiceSpecificCredentialRequest, DeleteServiceSpecificCredentialResponse,
};
use lambent_wire::iam::operations::list_service_specific_credentials::ServiceSpecificCredentialMetadata;
use lambent_wire::iam::operations::list_service_specific_credentials::{
    ListServiceSpecificCredentialsRequest, ListServiceSpecificCredentialsResponse,
};
use lambent_wire::iam::operations::reset_service_specific_credential::{
    ResetServiceSpecificCredentialRequest, ResetServiceSpecificCredentialResponse,
};
use lambent_wire::iam::operations::update_service_specific_credential::{
    UpdateServiceSpecificCredentialRequest, UpdateServiceSpecificCredentialResponse,
};
use lambent_wire::iam::operations::{
    CreateServiceSpecificCredential, DeleteServiceSpecificCredential, ListServiceSpecificCredentials,
    ResetServiceSpecificCredential, UpdateServiceSpecificCredential,
};
use lambent_wire::iam::types::ServiceSpecificCredential;

use crate::here::Here;
use crate::paging::{numbered, page};
use crate::{Iam, IamFault, find, ids, quotas, shown};

impl Handle<CreateServiceSpecificCredential> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: CreateServiceSpecificCredentialRequest,
    ) -> Result<CreateServiceSpecificCredentialResponse, IamFault> {
        if input.credential_age_days.is_some() {
            return Err(IamFault::InvalidInput("CredentialAgeDays is not available here.".into()));
        }
        known_service(&input.service_name)?;
        let here = Here::of(&context);
        let (id, password) = (ids::entity(&*self.parts.random, "ACCA"), ids::secret(&*self.parts.random));
        let created_ms = self.now_ms();
        let shown = self
            .change(&context.scope.account, |account| {
                let mut user = find::user(account, &input.user_name)?.as_ref().clone();
                let of_service =
                    user.service_credentials.iter().filter(|one| one.service == input.service_name);
                let number = of_service.count();
                if number >= quotas::CREDENTIALS_PER_SERVICE {
                    return Err(IamFault::quota(
                        "ServiceSpecificCredentialsPerUser",
                        quotas::CREDENTIALS_PER_SERVICE,
                    ));
                }
                let again = if number == 0 { String::new() } else { format!("+{number}") };
                let credential = ServiceCredential {
                    id: id.clone(),
                    service: input.service_name.clone(),
                    user_name: format!("{}{again}-at-{}", user.head.name, here.account),
                    password: Secret(password.clone()),
                    active: true,
                    created_ms,
                };
                let shown = whole(&user, &credential);
                user.service_credentials.push(credential);
                Ok((vec![IamChange::Put(IamRecord::User(user))], shown))
            })
            .await?;
        Ok(CreateServiceSpecificCredentialResponse { service_specific_credential: Some(shown) })
    }
}

impl Handle<ListServiceSpecificCredentials> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: ListServiceSpecificCredentialsRequest,
    ) -> Result<ListServiceSpecificCredentialsResponse, IamFault> {
        if let Some(service) = &input.service_name {
            known_service(service)?;
        }
        let account = self.account(&context);
        let users: Vec<&User> = match input.all_users {
            Some(true) => account.users.values().map(|user| &**user).collect(),
            _ => {
                let name = self.user_or_caller(&context, input.user_name)?;
                vec![&**find::user(&account, &name)?]
            }
        };
        let wanted = |one: &ServiceCredential| {
            input.service_name.as_ref().is_none_or(|service| *service == one.service)
        };
        let found = users.into_iter().flat_map(|user| {
            user.service_credentials.iter().filter(|one| wanted(one)).map(|one| metadata(user, one))
        });
        let page = page(numbered(found), input.marker.as_deref(), input.max_items);
        Ok(ListServiceSpecificCredentialsResponse {
            service_specific_credentials: Some(page.items),
            marker: page.marker,
            // Told when there is more only (recorded).
            is_truncated: page.is_truncated.filter(|truncated| *truncated),
        })
    }
}

impl Handle<ResetServiceSpecificCredential> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: ResetServiceSpecificCredentialRequest,
    ) -> Result<ResetServiceSpecificCredentialResponse, IamFault> {
        let name = self.user_or_caller(&context, input.user_name)?;
        let password = ids::secret(&*self.parts.random);
        let id = &input.service_specific_credential_id;
        let reset = |user: &mut User, index: usize| {
            user.service_credentials[index].password = Secret(password.clone());
            Some(whole(user, &user.service_credentials[index]))
        };
        let shown = self.change_credential(&context, &name, id, reset).await?;
        Ok(ResetServiceSpecificCredentialResponse { service_specific_credential: shown })
    }
}

impl Handle<UpdateServiceSpecificCredential> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: UpdateServiceSpecificCredentialRequest,
    ) -> Result<UpdateServiceSpecificCredentialResponse, IamFault> {
        let name = self.user_or_caller(&context, input.user_name)?;
        let id = &input.service_specific_credential_id;
        let active = input.status == "Active";
        self.change_credential(&context, &name, id, |user, index| {
            user.service_credentials[index].active = active;
            None
        })
        .await?;
        Ok(UpdateServiceSpecificCredentialResponse::default())
    }
}

impl Handle<DeleteServiceSpecificCredential> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteServiceSpecificCredentialRequest,
    ) -> Result<DeleteServiceSpecificCredentialResponse, IamFault> {
        let name = self.user_or_caller(&context, input.user_name)?;
        let id = &input.service_specific_credential_id;
        self.change_credential(&context, &name, id, |user, index| {
            user.service_credentials.remove(index);
            None
        })
        .await?;
        Ok(DeleteServiceSpecificCredentialResponse::default())
    }
}

/// Services that users can have passwords of their own for (AWS documentation).
const SERVICES: &[&str] = &["bedrock.amazonaws.com", "cassandra.amazonaws.com", "codecommit.amazonaws.com"];

fn known_service(name: &str) -> Result<(), IamFault> {
    match SERVICES.contains(&name) {
        true => Ok(()),
        false => Err(IamFault::NoSuchEntity(format!(
            "No such service {name} is supported for Service Specific Credentials"
        ))),
    }
}

fn status(credential: &ServiceCredential) -> String {
    if credential.active { "Active".into() } else { "Inactive".into() }
}

fn whole(user: &User, credential: &ServiceCredential) -> ServiceSpecificCredential {
    ServiceSpecificCredential {
        create_date: shown::time(credential.created_ms),
        service_name: credential.service.clone(),
        service_user_name: Some(credential.user_name.clone()),
        service_password: Some(credential.password.0.clone()),
        service_specific_credential_id: credential.id.clone(),
        user_name: user.head.name.clone(),
        status: status(credential),
        ..ServiceSpecificCredential::default()
    }
}

fn metadata(user: &User, credential: &ServiceCredential) -> ServiceSpecificCredentialMetadata {
    ServiceSpecificCredentialMetadata {
        user_name: user.head.name.clone(),
        status: status(credential),
        service_user_name: Some(credential.user_name.clone()),
        create_date: shown::time(credential.created_ms),
        service_specific_credential_id: credential.id.clone(),
        service_name: credential.service.clone(),
        ..ServiceSpecificCredentialMetadata::default()
    }
}

impl Iam {
    async fn change_credential(
        &self,
        context: &Context,
        user: &str,
        id: &str,
        change: impl Fn(&mut User, usize) -> Option<ServiceSpecificCredential> + Send + Sync,
    ) -> Result<Option<ServiceSpecificCredential>, IamFault> {
        self.change(&context.scope.account, |account| {
            let mut user = find::user(account, user)?.as_ref().clone();
            let found = user.service_credentials.iter().position(|one| one.id == id);
            let index =
                found.ok_or_else(|| IamFault::NoSuchEntity(format!("No such credential {id} exists")))?;
            let answer = change(&mut user, index);
            Ok((vec![IamChange::Put(IamRecord::User(user))], answer))
        })
        .await
    }
}
