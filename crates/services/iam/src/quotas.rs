//! Quotas (AWS documentation): those that are enforced, and those that are told only.

/// Managed policies attached to a user, group or role.
pub(crate) const ATTACHED: usize = 10;
/// A user's keys.
pub(crate) const KEYS_PER_USER: usize = 2;
/// A user's passwords for one service.
pub(crate) const CREDENTIALS_PER_SERVICE: usize = 2;
/// A user's groups.
pub(crate) const GROUPS_PER_USER: usize = 10;
/// A managed policy's versions.
pub(crate) const VERSIONS: usize = 5;
/// Tags of anything.
pub(crate) const TAGS: usize = 50;
/// A managed policy, without white space.
pub(crate) const POLICY_SIZE: usize = 6_144;
/// A trust policy, without white space.
pub(crate) const TRUST_SIZE: usize = 2_048;
/// Inline policies of a role together, without white space.
pub(crate) const ROLE_INLINE_SIZE: usize = 10_240;
/// The same of a user.
pub(crate) const USER_INLINE_SIZE: usize = 2_048;
/// The same of a group.
pub(crate) const GROUP_INLINE_SIZE: usize = 5_120;
/// Users of an account.
pub(crate) const USERS: usize = 5_000;
/// Groups of an account.
pub(crate) const GROUPS: usize = 300;
/// Roles of an account.
pub(crate) const ROLES: usize = 1_000;
/// Managed policies of an account.
pub(crate) const POLICIES: usize = 1_500;
/// Instance profiles of an account.
pub(crate) const INSTANCE_PROFILES: usize = 1_000;
