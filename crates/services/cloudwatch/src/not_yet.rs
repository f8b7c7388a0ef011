//! Operations that exist in AWS's API and not here yet, each with what a caller is told.

use lambent_api_kit::NotYet;

const ALARMS: &str = "nothing watches metrics; read them with GetMetricData and decide there";
const ANOMALIES: &str = "no models of metrics are trained here";
const DASHBOARDS: &str = "there is no console; read metrics with GetMetricData, or scrape /_lambent/metrics";
const DEFINITIONS: &str = "give the queries themselves to GetMetricData";
const ENRICHMENT: &str = "metrics are kept as they were put";
const RULES: &str = "logs are not searched for contributors; print metrics in the embedded metric format";
const STREAMS: &str = "there is nothing to stream metrics to; read them with GetMetricData";
const TAGS: &str = "only alarms, rules and dashboards have tags, and there are none yet";

pub(crate) const NOT_YET: &[NotYet] = &[
    NotYet { name: "AssociateDatasetKmsKey", reason: ENRICHMENT },
    NotYet { name: "CreateResourceMetricsConfiguration", reason: ENRICHMENT },
    NotYet { name: "DeleteAlarmMuteRule", reason: ALARMS },
    NotYet { name: "DeleteAlarms", reason: ALARMS },
    NotYet { name: "DeleteAnomalyDetector", reason: ANOMALIES },
    NotYet { name: "DeleteDashboards", reason: DASHBOARDS },
    NotYet { name: "DeleteInsightRules", reason: RULES },
    NotYet { name: "DeleteMetricDataQueryDefinition", reason: DEFINITIONS },
    NotYet { name: "DeleteMetricStream", reason: STREAMS },
    NotYet { name: "DeleteResourceMetricsConfiguration", reason: ENRICHMENT },
    NotYet { name: "DescribeAlarmContributors", reason: ALARMS },
    NotYet { name: "DescribeAlarmHistory", reason: ALARMS },
    NotYet { name: "DescribeAlarms", reason: ALARMS },
    NotYet { name: "DescribeAlarmsForMetric", reason: ALARMS },
    NotYet { name: "DescribeAnomalyDetectors", reason: ANOMALIES },
    NotYet { name: "DescribeInsightRules", reason: RULES },
    NotYet { name: "DisableAlarmActions", reason: ALARMS },
    NotYet { name: "DisableInsightRules", reason: RULES },
    NotYet { name: "DisassociateDatasetKmsKey", reason: ENRICHMENT },
    NotYet { name: "EnableAlarmActions", reason: ALARMS },
    NotYet { name: "EnableInsightRules", reason: RULES },
    NotYet { name: "GetAlarmMuteRule", reason: ALARMS },
    NotYet { name: "GetDashboard", reason: DASHBOARDS },
    NotYet { name: "GetDataset", reason: ENRICHMENT },
    NotYet { name: "GetInsightRuleReport", reason: RULES },
    NotYet { name: "GetMetricDataQueryDefinition", reason: DEFINITIONS },
    NotYet { name: "GetMetricStream", reason: STREAMS },
    NotYet { name: "GetMetricWidgetImage", reason: DASHBOARDS },
    NotYet { name: "GetOTelEnrichment", reason: ENRICHMENT },
    NotYet { name: "GetResourceMetricsConfiguration", reason: ENRICHMENT },
    NotYet { name: "ListAlarmMuteRules", reason: ALARMS },
    NotYet { name: "ListDashboards", reason: DASHBOARDS },
    NotYet { name: "ListManagedInsightRules", reason: RULES },
    NotYet { name: "ListMetricDataQueryDefinitions", reason: DEFINITIONS },
    NotYet { name: "ListMetricStreams", reason: STREAMS },
    NotYet { name: "ListTagsForResource", reason: TAGS },
    NotYet { name: "PutAlarmMuteRule", reason: ALARMS },
    NotYet { name: "PutAnomalyDetector", reason: ANOMALIES },
    NotYet { name: "PutCompositeAlarm", reason: ALARMS },
    NotYet { name: "PutDashboard", reason: DASHBOARDS },
    NotYet { name: "PutInsightRule", reason: RULES },
    NotYet { name: "PutLogAlarm", reason: ALARMS },
    NotYet { name: "PutManagedInsightRules", reason: RULES },
    NotYet { name: "PutMetricAlarm", reason: ALARMS },
    NotYet { name: "PutMetricDataQueryDefinition", reason: DEFINITIONS },
    NotYet { name: "PutMetricStream", reason: STREAMS },
    NotYet { name: "SetAlarmState", reason: ALARMS },
    NotYet { name: "StartMetricStreams", reason: STREAMS },
    NotYet { name: "StartOTelEnrichment", reason: ENRICHMENT },
    NotYet { name: "StopMetricStreams", reason: STREAMS },
    NotYet { name: "StopOTelEnrichment", reason: ENRICHMENT },
    NotYet { name: "TagResource", reason: TAGS },
    NotYet { name: "UntagResource", reason: TAGS },
    NotYet { name: "UpdateOTelEnrichment", reason: ENRICHMENT },
    NotYet { name: "UpdateResourceMetricsConfiguration", reason: ENRICHMENT },
];
