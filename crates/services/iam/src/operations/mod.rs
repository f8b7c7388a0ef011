//! One file per operation, or per kind of thing that several are about.

mod access_keys;
mod account;
mod attachments;
mod boundaries;
mod context_keys;
mod create_role;
mod entities_for_policy;
mod groups;
mod inline_policies;
mod instance_profiles;
mod nothing_there;
mod policies;
mod policy_versions;
mod roles;
mod service_credentials;
mod service_linked_roles;
mod simulate;
mod tagging;
mod users;
