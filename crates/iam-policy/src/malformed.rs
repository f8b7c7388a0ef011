//! Why a document is refused, in AWS's words (documentation and what tools have reported of AWS).

/// A policy document that can't be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not JSON.
    #[error("This policy contains invalid Json")]
    Json,
    /// Not of a policy's form.
    #[error("Syntax errors in policy.")]
    Syntax,
    /// Managed policies are of the newer version.
    #[error("Policy document must be version 2012-10-17 or greater.")]
    Version,
    /// A value that older readers of AWS's stumble over.
    #[error("The policy failed legacy parsing")]
    Legacy,
    /// Two statements have the same name.
    #[error("Statement IDs (SID) in a single policy must be unique.")]
    SidTwice,
    /// A statement without actions.
    #[error("Policy statement must contain actions.")]
    NoActions,
    /// A statement without resources.
    #[error("Policy statement must contain resources.")]
    NoResources,
    /// An identity's policy names a principal.
    #[error("Policy document should not specify a principal.")]
    HasPrincipal,
    /// An element that must be there.
    #[error("Missing required field {0}")]
    Missing(&'static str),
    /// An element that must not be there.
    #[error("Has prohibited field {0}")]
    Prohibited(&'static str),
    /// A trust policy is about something else.
    #[error("AssumeRole policy may only specify STS AssumeRole actions.")]
    NotAssumeRole,
    /// An action without a service.
    #[error("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")]
    NoVendor,
    /// An action with too many colons.
    #[error("Actions/Condition can contain only one colon.")]
    Colons,
    /// An action's service has characters that no service has.
    #[error("Vendor {0} is not valid")]
    Vendor(String),
    /// A resource that is no ARN.
    #[error("Resource {0} must be in ARN format or \"*\".")]
    Resource(String),
    /// A principal that is none.
    #[error("Invalid principal in policy: \"{kind}\":\"{value}\"")]
    Principal {
        /// `AWS` or `SERVICE`.
        kind: String,
        /// As it was given.
        value: String,
    },
}
