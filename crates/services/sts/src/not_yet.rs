//! Operations that exist in AWS's API and not here yet, each with what a caller is told.

use lambent_api_kit::NotYet;

pub(crate) const NOT_YET: &[NotYet] = &[
    NotYet { name: "AssumeRole", reason: "roles and sessions come with authentication" },
    NotYet { name: "AssumeRoleWithSAML", reason: "roles and sessions come with authentication" },
    NotYet { name: "AssumeRoleWithWebIdentity", reason: "roles and sessions come with authentication" },
    NotYet { name: "AssumeRoot", reason: "roles and sessions come with authentication" },
    NotYet { name: "DecodeAuthorizationMessage", reason: "roles and sessions come with authentication" },
    NotYet { name: "GetAccessKeyInfo", reason: "roles and sessions come with authentication" },
    NotYet { name: "GetDelegatedAccessToken", reason: "roles and sessions come with authentication" },
    NotYet { name: "GetFederationToken", reason: "roles and sessions come with authentication" },
    NotYet { name: "GetSessionToken", reason: "roles and sessions come with authentication" },
    NotYet { name: "GetWebIdentityToken", reason: "roles and sessions come with authentication" },
];
