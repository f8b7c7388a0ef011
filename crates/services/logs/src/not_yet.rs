//! Operations that exist in AWS's API and not here yet, each with what a caller is told.

use lambent_api_kit::NotYet;

pub(crate) const NOT_YET: &[NotYet] = &[
    NotYet {
        name: "AssociateKmsKey",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "AssociateSourceToS3TableIntegration",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "CancelExportTask",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "CancelImportTask",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "CreateDelivery",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "CreateExportTask",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "CreateImportTask",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "CreateLogAnomalyDetector",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "CreateLookupTable",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "CreateScheduledQuery",
        reason: "Logs Insights is not available yet; FilterLogEvents has patterns",
    },
    NotYet {
        name: "DeleteAccountPolicy",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DeleteDataProtectionPolicy",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DeleteDelivery",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DeleteDeliveryDestination",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DeleteDeliveryDestinationPolicy",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DeleteDeliverySource",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DeleteDestination",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DeleteIndexPolicy",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DeleteIntegration",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DeleteLogAnomalyDetector",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DeleteLookupTable",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DeleteMetricFilter",
        reason: "metric filters are not available yet",
    },
    NotYet {
        name: "DeleteQueryDefinition",
        reason: "Logs Insights is not available yet; FilterLogEvents has patterns",
    },
    NotYet {
        name: "DeleteResourcePolicy",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DeleteScheduledQuery",
        reason: "Logs Insights is not available yet; FilterLogEvents has patterns",
    },
    NotYet {
        name: "DeleteSubscriptionFilter",
        reason: "subscription filters are not available yet",
    },
    NotYet {
        name: "DeleteSyslogConfiguration",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DeleteTransformer",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DescribeAccountPolicies",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DescribeConfigurationTemplates",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DescribeDeliveries",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DescribeDeliveryDestinations",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DescribeDeliverySources",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DescribeDestinations",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DescribeExportTasks",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DescribeFieldIndexes",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DescribeImportTaskBatches",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DescribeImportTasks",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DescribeIndexPolicies",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DescribeLookupTables",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DescribeMetricFilters",
        reason: "metric filters are not available yet",
    },
    NotYet {
        name: "DescribeQueries",
        reason: "Logs Insights is not available yet; FilterLogEvents has patterns",
    },
    NotYet {
        name: "DescribeQueryDefinitions",
        reason: "Logs Insights is not available yet; FilterLogEvents has patterns",
    },
    NotYet {
        name: "DescribeResourcePolicies",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DescribeSubscriptionFilters",
        reason: "subscription filters are not available yet",
    },
    NotYet {
        name: "DisassociateKmsKey",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "DisassociateSourceFromS3TableIntegration",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "GetDataProtectionPolicy",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "GetDelivery",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "GetDeliveryDestination",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "GetDeliveryDestinationPolicy",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "GetDeliverySource",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "GetIntegration",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "GetLogAnomalyDetector",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "GetLogFields",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "GetLogGroupFields",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "GetLogObject",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "GetLogRecord",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "GetLookupTable",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "GetQueryResults",
        reason: "Logs Insights is not available yet; FilterLogEvents has patterns",
    },
    NotYet {
        name: "GetScheduledQuery",
        reason: "Logs Insights is not available yet; FilterLogEvents has patterns",
    },
    NotYet {
        name: "GetScheduledQueryHistory",
        reason: "Logs Insights is not available yet; FilterLogEvents has patterns",
    },
    NotYet {
        name: "GetStorageTierPolicy",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "GetTransformer",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "ListAggregateLogGroupSummaries",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "ListAnomalies",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "ListIntegrations",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "ListLogAnomalyDetectors",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "ListLogGroups",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "ListLogGroupsForQuery",
        reason: "Logs Insights is not available yet; FilterLogEvents has patterns",
    },
    NotYet {
        name: "ListScheduledQueries",
        reason: "Logs Insights is not available yet; FilterLogEvents has patterns",
    },
    NotYet {
        name: "ListSourcesForS3TableIntegration",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "ListSyslogConfigurations",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "ListTagsLogGroup",
        reason: "use the tagging operations for resources",
    },
    NotYet {
        name: "PutAccountPolicy",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "PutBearerTokenAuthentication",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "PutDataProtectionPolicy",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "PutDeliveryDestination",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "PutDeliveryDestinationPolicy",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "PutDeliverySource",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "PutDestination",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "PutDestinationPolicy",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "PutIndexPolicy",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "PutIntegration",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "PutLogGroupDeletionProtection",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "PutMetricFilter",
        reason: "metric filters are not available yet",
    },
    NotYet {
        name: "PutQueryDefinition",
        reason: "Logs Insights is not available yet; FilterLogEvents has patterns",
    },
    NotYet {
        name: "PutResourcePolicy",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "PutStorageTierPolicy",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "PutSubscriptionFilter",
        reason: "subscription filters are not available yet",
    },
    NotYet {
        name: "PutSyslogConfiguration",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "PutTransformer",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "StartLiveTail",
        reason: "live tail is not available yet; use logs tail",
    },
    NotYet {
        name: "StartQuery",
        reason: "Logs Insights is not available yet; FilterLogEvents has patterns",
    },
    NotYet {
        name: "StopQuery",
        reason: "Logs Insights is not available yet; FilterLogEvents has patterns",
    },
    NotYet {
        name: "TagLogGroup",
        reason: "use the tagging operations for resources",
    },
    NotYet {
        name: "TestMetricFilter",
        reason: "metric filters are not available yet",
    },
    NotYet {
        name: "TestTransformer",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "UntagLogGroup",
        reason: "use the tagging operations for resources",
    },
    NotYet {
        name: "UpdateAnomaly",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "UpdateDeliveryConfiguration",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "UpdateLogAnomalyDetector",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "UpdateLookupTable",
        reason: "not needed by functions, and not available yet",
    },
    NotYet {
        name: "UpdateScheduledQuery",
        reason: "Logs Insights is not available yet; FilterLogEvents has patterns",
    },
];
