//! Operations that exist in AWS's API and not here, each with what a caller is told.

use lambent_api_kit::NotYet;

const PUSH: &str = "no message can be pushed to mobile devices from here";
const SMS: &str = "no SMS can be sent from here";
const PROTECTION: &str = "messages are not searched for sensitive data here";

pub(crate) const NOT_YET: &[NotYet] = &[
    NotYet { name: "CheckIfPhoneNumberIsOptedOut", reason: SMS },
    NotYet { name: "CreatePlatformApplication", reason: PUSH },
    NotYet { name: "CreatePlatformEndpoint", reason: PUSH },
    NotYet { name: "CreateSMSSandboxPhoneNumber", reason: SMS },
    NotYet { name: "DeleteEndpoint", reason: PUSH },
    NotYet { name: "DeletePlatformApplication", reason: PUSH },
    NotYet { name: "DeleteSMSSandboxPhoneNumber", reason: SMS },
    NotYet { name: "GetEndpointAttributes", reason: PUSH },
    NotYet { name: "GetPlatformApplicationAttributes", reason: PUSH },
    NotYet { name: "GetSMSAttributes", reason: SMS },
    NotYet { name: "GetSMSSandboxAccountStatus", reason: SMS },
    NotYet { name: "ListEndpointsByPlatformApplication", reason: PUSH },
    NotYet { name: "ListOriginationNumbers", reason: SMS },
    NotYet { name: "ListPhoneNumbersOptedOut", reason: SMS },
    NotYet { name: "ListSMSSandboxPhoneNumbers", reason: SMS },
    NotYet { name: "OptInPhoneNumber", reason: SMS },
    NotYet { name: "PutDataProtectionPolicy", reason: PROTECTION },
    NotYet { name: "SetEndpointAttributes", reason: PUSH },
    NotYet { name: "SetPlatformApplicationAttributes", reason: PUSH },
    NotYet { name: "SetSMSAttributes", reason: SMS },
    NotYet { name: "VerifySMSSandboxPhoneNumber", reason: SMS },
];
