//! Operations that exist in AWS's API and not here yet, each with what a caller is told.

use lambent_api_kit::NotYet;

pub(crate) const NOT_YET: &[NotYet] = &[
    NotYet {
        name: "AssumeRoleWithSAML",
        reason: "there are no identity providers; use AssumeRole with a key of a user",
    },
    NotYet {
        name: "AssumeRoleWithWebIdentity",
        reason: "there are no identity providers; use AssumeRole with a key of a user",
    },
    NotYet { name: "AssumeRoot", reason: "there are no organizations" },
    NotYet { name: "DecodeAuthorizationMessage", reason: "refusals say what they are about in clear text" },
    NotYet { name: "GetDelegatedAccessToken", reason: "federated users are not there; use AssumeRole" },
    NotYet { name: "GetFederationToken", reason: "federated users are not there; use AssumeRole" },
    NotYet { name: "GetWebIdentityToken", reason: "federated users are not there; use AssumeRole" },
];
