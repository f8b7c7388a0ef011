//! Where a permit comes from, as on AWS: the provisioned concurrency of the version while there is some; beyond it, what
//! the function has reserved and not provisioned; or, when it has reserved nothing, what nobody in the account has claimed.

use lambent_domain::fault::ThrottleReason;

/// What is claimed, and what of it runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Claims {
    /// Kept initialised of this version.
    pub provisioned: u64,
    /// Running on that.
    pub provisioned_running: u64,
    /// What the function has reserved beyond what is provisioned, if it has reserved anything.
    pub reserved: Option<u64>,
    /// Running on that.
    pub reserved_running: u64,
    /// What nobody in the account and region has claimed.
    pub unreserved: u64,
    /// Running on that.
    pub unreserved_running: u64,
}

/// What a permit is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PermitSource {
    /// The version's provisioned concurrency.
    Provisioned,
    /// The function's reserved concurrency.
    Reserved,
    /// The account's.
    Unreserved,
}

/// The source of one more execution, or why there is none.
pub fn permit(claims: &Claims) -> Result<PermitSource, ThrottleReason> {
    if claims.provisioned_running < claims.provisioned {
        return Ok(PermitSource::Provisioned);
    }
    match claims.reserved {
        Some(reserved) if claims.reserved_running < reserved => Ok(PermitSource::Reserved),
        Some(_) => Err(ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded),
        None if claims.unreserved_running < claims.unreserved => Ok(PermitSource::Unreserved),
        None => Err(ThrottleReason::ConcurrentInvocationLimitExceeded),
    }
}
