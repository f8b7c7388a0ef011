//! Users' keys.

use std::sync::PoisonError;

use lambent_api_kit::{Context, Handle};
use lambent_ports::iam_store::{IamChange, IamRecord, User, UserKey};
use lambent_ports::identity::Secret;
use lambent_wire::iam::operations::create_access_key::AccessKey;
use lambent_wire::iam::operations::create_access_key::{CreateAccessKeyRequest, CreateAccessKeyResponse};
use lambent_wire::iam::operations::delete_access_key::{DeleteAccessKeyRequest, DeleteAccessKeyResponse};
use lambent_wire::iam::operations::get_access_key_last_used::AccessKeyLastUsed;
use lambent_wire::iam::operations::get_access_key_last_used::{
    GetAccessKeyLastUsedRequest, GetAccessKeyLastUsedResponse,
};
use lambent_wire::iam::operations::list_access_keys::AccessKeyMetadata;
use lambent_wire::iam::operations::list_access_keys::{ListAccessKeysRequest, ListAccessKeysResponse};
use lambent_wire::iam::operations::update_access_key::{UpdateAccessKeyRequest, UpdateAccessKeyResponse};
use lambent_wire::iam::operations::{
    CreateAccessKey, DeleteAccessKey, GetAccessKeyLastUsed, ListAccessKeys, UpdateAccessKey,
};

use crate::paging::{numbered, page};
use crate::{Iam, IamFault, find, ids, quotas, shown};

impl Handle<CreateAccessKey> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: CreateAccessKeyRequest,
    ) -> Result<CreateAccessKeyResponse, IamFault> {
        let name = self.user_or_caller(&context, input.user_name)?;
        let key = UserKey {
            id: ids::access_key(&*self.parts.random),
            secret: Secret(ids::secret(&*self.parts.random)),
            active: true,
            created_ms: self.now_ms(),
        };
        let user_name = self
            .change(&context.scope.account, |account| {
                let mut user = find::user(account, &name)?.as_ref().clone();
                if user.keys.len() >= quotas::KEYS_PER_USER {
                    return Err(IamFault::quota("AccessKeysPerUser", quotas::KEYS_PER_USER));
                }
                user.keys.push(key.clone());
                let name = user.head.name.clone();
                Ok((vec![IamChange::Put(IamRecord::User(user))], name))
            })
            .await?;
        Ok(CreateAccessKeyResponse {
            access_key: AccessKey {
                user_name,
                access_key_id: key.id,
                status: status(true),
                secret_access_key: key.secret.0,
                create_date: Some(shown::time(key.created_ms)),
            },
        })
    }
}

impl Handle<ListAccessKeys> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: ListAccessKeysRequest,
    ) -> Result<ListAccessKeysResponse, IamFault> {
        let name = self.user_or_caller(&context, input.user_name)?;
        let account = self.account(&context);
        let user = find::user(&account, &name)?;
        let keys = user.keys.iter().map(|key| AccessKeyMetadata {
            user_name: Some(user.head.name.clone()),
            access_key_id: Some(key.id.clone()),
            status: Some(status(key.active)),
            create_date: Some(shown::time(key.created_ms)),
        });
        let page = page(numbered(keys), input.marker.as_deref(), input.max_items);
        Ok(ListAccessKeysResponse {
            access_key_metadata: page.items,
            is_truncated: page.is_truncated,
            marker: page.marker,
        })
    }
}

impl Handle<UpdateAccessKey> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: UpdateAccessKeyRequest,
    ) -> Result<UpdateAccessKeyResponse, IamFault> {
        let name = self.user_or_caller(&context, input.user_name)?;
        // `Expired` is a state that services' keys get into, not one that can be set.
        let active = match input.status.as_str() {
            "Active" => true,
            "Inactive" => false,
            other => return Err(IamFault::InvalidInput(format!("Status {other} can't be set."))),
        };
        self.change_key(&context, &name, &input.access_key_id, |user, index| {
            user.keys[index].active = active;
        })
        .await?;
        Ok(UpdateAccessKeyResponse::default())
    }
}

impl Handle<DeleteAccessKey> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteAccessKeyRequest,
    ) -> Result<DeleteAccessKeyResponse, IamFault> {
        let name = self.user_or_caller(&context, input.user_name)?;
        let change = |user: &mut User, index| drop(user.keys.remove(index));
        self.change_key(&context, &name, &input.access_key_id, change).await?;
        Ok(DeleteAccessKeyResponse::default())
    }
}

impl Handle<GetAccessKeyLastUsed> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: GetAccessKeyLastUsedRequest,
    ) -> Result<GetAccessKeyLastUsedResponse, IamFault> {
        let id = &input.access_key_id;
        let owner = self.parts.store.key_owner(id).filter(|(account, _)| *account == context.scope.account);
        let (_, user_name) = owner.ok_or_else(|| no_key(id))?;
        let last = self.last_uses.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        let never = || "N/A".to_owned();
        Ok(GetAccessKeyLastUsedResponse {
            user_name: Some(user_name),
            access_key_last_used: Some(AccessKeyLastUsed {
                last_used_date: last.as_ref().map(|last| shown::time(last.at_ms)),
                service_name: last.as_ref().map_or_else(never, |last| last.service.clone()),
                region: last.as_ref().map_or_else(never, |last| last.region.clone()),
            }),
        })
    }
}

fn status(active: bool) -> String {
    if active { "Active".into() } else { "Inactive".into() }
}

fn no_key(id: &str) -> IamFault {
    IamFault::NoSuchEntity(format!("The Access Key with id {id} cannot be found."))
}

impl Iam {
    /// The user that is named, else the one who asks.
    pub(crate) fn user_or_caller(
        &self,
        context: &Context,
        named: Option<String>,
    ) -> Result<String, IamFault> {
        named.or_else(|| self.caller(context)).ok_or_else(|| {
            IamFault::Validation("Must specify userName when calling with non-User credentials".into())
        })
    }

    async fn change_key(
        &self,
        context: &Context,
        user: &str,
        id: &str,
        change: impl Fn(&mut User, usize) + Send + Sync,
    ) -> Result<(), IamFault> {
        self.change(&context.scope.account, |account| {
            let mut user = find::user(account, user)?.as_ref().clone();
            let index = user.keys.iter().position(|key| key.id == id).ok_or_else(|| no_key(id))?;
            change(&mut user, index);
            Ok((vec![IamChange::Put(IamRecord::User(user))], ()))
        })
        .await
    }
}
