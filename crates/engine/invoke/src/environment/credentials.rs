//! The credentials of a function's role, where credentials count: fresh with each start of its process, and an environment
//! whose process can't be given new ones goes before they are over.

use lambent_ports::access::{Sessions, Temporary};

use super::Environment;

/// How long they hold, milliseconds: twelve hours, as on AWS.
const LIFETIME_MS: u64 = 12 * 60 * 60 * 1_000;
/// No request is begun on credentials that hold for less: longer than the longest request takes.
const LEAST_MS: u64 = 60 * 60 * 1_000;

/// The variables that they are given in.
const NAMES: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

impl Environment {
    /// In place of those that only look like some.
    pub(super) fn give_credentials(&self, env: &mut Vec<(String, String)>) {
        let Some(shard) = self.shard.upgrade() else { return };
        let Some(sessions) = &shard.sessions else { return };
        let Temporary { access_key_id, secret_access_key, session_token, expires_at_ms } =
            self.issue(&**sessions, shard.clock.now_ms());
        env.retain(|(name, _)| !NAMES.contains(&name.as_str()));
        let values = [access_key_id, secret_access_key, session_token];
        env.extend(NAMES.iter().map(|name| (*name).to_owned()).zip(values));
        self.credentials_until_ms.set(Some(expires_at_ms));
    }

    /// Whether its credentials are over before another request could be.
    pub(crate) fn is_worn(&self) -> bool {
        self.credentials_until_ms.get().is_some_and(|until_ms| self.now_ms() + LEAST_MS > until_ms)
    }

    fn issue(&self, sessions: &dyn Sessions, now_ms: u64) -> Temporary {
        let name = self.pool.key.name.as_str();
        // A session's name has two letters at least (AWS documentation).
        let session = if name.len() == 1 { format!("{name}@lambda_function") } else { name.to_owned() };
        let role = self.pool.deployment.configuration.role.to_string();
        let who = sessions.of_role(&role, &session, Some(self.pool.key.arn()));
        sessions.issue(&who, now_ms + LIFETIME_MS)
    }
}
