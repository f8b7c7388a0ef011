//! Temporary credentials, and sessions of roles.

use std::collections::BTreeMap;
use std::sync::Arc;

use lambent_ports::access::{Session, Sessions, Temporary, Who};

use crate::token::{Of, Sealed};
use crate::{Auth, role_of};

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

impl Auth {
    /// A role assumed by a service. What is not there has no policies, and may do nothing.
    pub(crate) fn role(&self, role_arn: &str, name: &str, function_arn: Option<String>) -> Arc<Who> {
        let Some((account, role_name)) = role_of(role_arn) else { return Arc::new(Who::Anonymous) };
        let role = self.identities.role(&account, role_name).filter(|role| role.arn == role_arn);
        Arc::new(Who::Session(Box::new(Session {
            account,
            role_arn: role_arn.to_owned(),
            role_id: role.map(|role| role.id).unwrap_or_default(),
            name: name.to_owned(),
            policies: None,
            tags: BTreeMap::new(),
            transitive: Vec::new(),
            source_identity: None,
            function_arn,
        })))
    }

    fn letters(&self, alphabet: &[u8], count: usize) -> String {
        let bytes = std::iter::repeat_with(|| self.random.bytes16()).flatten();
        // Both alphabets' lengths divide 256: no letter is likelier than another.
        bytes.take(count).map(|byte| char::from(alphabet[usize::from(byte) % alphabet.len()])).collect()
    }
}

impl Sessions for Auth {
    fn issue(&self, who: &Who, expires_at_ms: u64) -> Temporary {
        let access_key_id = format!("ASIA{}", self.letters(BASE32, 16));
        let secret_access_key = self.letters(BASE64, 40);
        let of = Of::who(who);
        let token = of.map(|of| {
            let sealed = Sealed {
                access_key_id: access_key_id.clone(),
                secret_access_key: secret_access_key.clone(),
                issued_at_ms: self.clock.now_ms(),
                expires_at_ms,
                of,
            };
            self.seal.seal(&sealed, &*self.random)
        });
        // Without a token that opens, the key is nobody's.
        Temporary {
            access_key_id,
            secret_access_key,
            session_token: token.unwrap_or_default(),
            expires_at_ms,
        }
    }

    fn of_role(&self, role_arn: &str, name: &str, function_arn: Option<String>) -> Arc<Who> {
        self.role(role_arn, name, function_arn)
    }
}
