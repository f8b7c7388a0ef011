//! Keys that signatures are made with, for a day, region and service: a request in a row of many has to derive none.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use lambent_kit::sigv4::claim::Claim;
use ring::hmac;

/// As many are kept; then they are derived anew.
const MAX_KEPT: usize = 4_096;

/// By access key, day, region and service. An access key's secret never changes.
#[derive(Default)]
pub(crate) struct SigningKeys(Mutex<HashMap<String, hmac::Key>>);

impl SigningKeys {
    pub(crate) fn of(&self, claim: &Claim, secret_access_key: &str) -> hmac::Key {
        let scope = claim.scope();
        let id = [&claim.access_key_id, "/", scope.date(), "/", scope.region, "/", scope.service].concat();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = kept.get(&id) {
            return key.clone();
        }
        let key = scope.signing_key(secret_access_key);
        if kept.len() == MAX_KEPT {
            kept.clear();
        }
        kept.insert(id, key.clone());
        key
    }
}
