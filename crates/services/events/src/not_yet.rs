//! Operations that exist in AWS's API and not here yet, each with what a caller is told.

use lambent_api_kit::NotYet;

pub(crate) const NOT_YET: &[NotYet] = &[
    NotYet { name: "ActivateEventSource", reason: "partner event sources are not available" },
    NotYet { name: "CreateApiDestination", reason: "calls over HTTP are not targets yet" },
    NotYet { name: "CreateConnection", reason: "calls over HTTP are not targets yet" },
    NotYet { name: "CreateEndpoint", reason: "global endpoints are not available" },
    NotYet { name: "CreatePartnerEventSource", reason: "partner event sources are not available" },
    NotYet { name: "DeactivateEventSource", reason: "partner event sources are not available" },
    NotYet { name: "DeauthorizeConnection", reason: "calls over HTTP are not targets yet" },
    NotYet { name: "DeleteApiDestination", reason: "calls over HTTP are not targets yet" },
    NotYet { name: "DeleteConnection", reason: "calls over HTTP are not targets yet" },
    NotYet { name: "DeleteEndpoint", reason: "global endpoints are not available" },
    NotYet { name: "DeletePartnerEventSource", reason: "partner event sources are not available" },
    NotYet { name: "DescribeApiDestination", reason: "calls over HTTP are not targets yet" },
    NotYet { name: "DescribeConnection", reason: "calls over HTTP are not targets yet" },
    NotYet { name: "DescribeEndpoint", reason: "global endpoints are not available" },
    NotYet { name: "DescribeEventSource", reason: "partner event sources are not available" },
    NotYet { name: "DescribePartnerEventSource", reason: "partner event sources are not available" },
    NotYet { name: "ListApiDestinations", reason: "calls over HTTP are not targets yet" },
    NotYet { name: "ListConnections", reason: "calls over HTTP are not targets yet" },
    NotYet { name: "ListEndpoints", reason: "global endpoints are not available" },
    NotYet { name: "ListEventSources", reason: "partner event sources are not available" },
    NotYet { name: "ListPartnerEventSourceAccounts", reason: "partner event sources are not available" },
    NotYet { name: "ListPartnerEventSources", reason: "partner event sources are not available" },
    NotYet { name: "PutPartnerEvents", reason: "partner event sources are not available" },
    NotYet { name: "UpdateApiDestination", reason: "calls over HTTP are not targets yet" },
    NotYet { name: "UpdateConnection", reason: "calls over HTTP are not targets yet" },
    NotYet { name: "UpdateEndpoint", reason: "global endpoints are not available" },
];
