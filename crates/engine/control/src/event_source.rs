//! Event sources: which there are, which parameters each takes (`facts` 5.1), and AWS's words for the rest.

use lambent_domain::{EventSourceMapping, Fault, Pollers};
use lambent_event_pattern::Pattern;
use lambent_wire::lambda::operations::create_event_source_mapping::CreateEventSourceMappingRequest;
use lambent_wire::lambda::operations::update_event_source_mapping::UpdateEventSourceMappingRequest;
use lambent_wire::lambda::types::{EventSourceMappingMetricsConfig, FilterCriteria, ProvisionedPollerConfig};

use crate::mapping::{EVENT_COUNT, REPORT_ITEM_FAILURES};

/// Records of an SQS batch without a batching window.
const SQS_BATCH_WITHOUT_WINDOW: i32 = 10;
/// Records of a FIFO queue's batch.
const FIFO_BATCH: i32 = 10;
/// Filters of one mapping (AWS documentation: 5, and 10 as a raised quota).
const MAX_FILTERS: usize = 10;
/// Least `MaximumRecordAgeInSeconds` that is an age.
const LEAST_RECORD_AGE_S: i32 = 60;

/// Provisioned pollers of a queue's mapping (AWS documentation).
const LEAST_POLLERS: u32 = 2;
const MOST_MINIMUM_POLLERS: u32 = 200;
const DEFAULT_MAXIMUM_POLLERS: u32 = 200;
const MOST_POLLERS: u32 = 2_000;

pub(crate) const ONE_OF_BOTH: &str = "ScalingConfig and ProvisionedPollerConfig can't be used together.";

/// What a mapping reads from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqs { fifo: bool },
    Kinesis,
    DynamoDb,
    Msk,
    SelfManagedKafka,
    Mq,
    DocumentDb,
}

impl Kind {
    /// The kind of source that a request names: by the ARN's service, or by its own endpoints.
    pub(crate) fn of(request: &CreateEventSourceMappingRequest) -> Result<Self, Fault> {
        let unrecognized = || Fault::InvalidParameter("Unrecognized event source.".into());
        let arn = match (&request.event_source_arn, &request.self_managed_event_source) {
            (None, Some(_)) => return Ok(Kind::SelfManagedKafka),
            (Some(arn), None) => arn,
            _ => return Err(unrecognized()),
        };
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", _, service, _, _, resource] = parts.as_slice() else {
            return Err(unrecognized());
        };
        match *service {
            "sqs" => Ok(Kind::Sqs { fifo: resource.ends_with(".fifo") }),
            "kinesis" if resource.starts_with("stream/") => Ok(Kind::Kinesis),
            "dynamodb" if resource.contains("/stream/") => Ok(Kind::DynamoDb),
            "kafka" => Ok(Kind::Msk),
            "mq" => Ok(Kind::Mq),
            "rds" => Ok(Kind::DocumentDb),
            _ => Err(unrecognized()),
        }
    }

    fn is_stream(self) -> bool {
        matches!(self, Kind::Kinesis | Kind::DynamoDb)
    }

    fn is_kafka(self) -> bool {
        matches!(self, Kind::Msk | Kind::SelfManagedKafka)
    }

    fn is_sqs(self) -> bool {
        matches!(self, Kind::Sqs { .. })
    }

    /// For the sentence that says what is missing here.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Sqs { .. } => "SQS queues",
            Kind::Kinesis => "Kinesis streams",
            Kind::DynamoDb => "DynamoDB streams",
            Kind::Msk | Kind::SelfManagedKafka => "Kafka clusters",
            Kind::Mq => "message brokers",
            Kind::DocumentDb => "DocumentDB clusters",
        }
    }
}

/// Everything that can be said against a request without asking the source.
pub(crate) fn check(kind: Kind, request: &CreateEventSourceMappingRequest) -> Result<(), Fault> {
    for (name, given, taken) in parameters(kind, request) {
        if given && !taken {
            return Err(Fault::InvalidParameter(format!(
                "Unsupported {name} parameter for given event source mapping type."
            )));
        }
    }
    if kind == Kind::SelfManagedKafka
        && request.source_access_configurations.as_ref().is_none_or(Vec::is_empty)
    {
        let text = "Required 'sourceAccessConfigurations' parameter is missing.";
        return Err(Fault::InvalidParameter(text.into()));
    }
    check_position(kind, request)?;
    check_batch(kind, request)?;
    if request.maximum_record_age_in_seconds.is_some_and(|age| (0..LEAST_RECORD_AGE_S).contains(&age)) {
        return Err(Fault::InvalidParameter(format!(
            "MaximumRecordAgeInSeconds must be -1 or at least {LEAST_RECORD_AGE_S}."
        )));
    }
    if request.scaling_config.is_some() && request.provisioned_poller_config.is_some() {
        return Err(Fault::InvalidParameter(ONE_OF_BOTH.into()));
    }
    if kind.is_sqs() {
        pollers(request.provisioned_poller_config.as_ref())?;
    }
    check_filters(request.filter_criteria.as_ref())?;
    check_not_yet(kind, request)
}

/// The pollers that a queue's mapping has for itself; none when nothing is said of them, which also takes them away. The
/// numbers are AWS's, from its documentation; the texts are judgement.
pub(crate) fn pollers(config: Option<&ProvisionedPollerConfig>) -> Result<Option<Pollers>, Fault> {
    let Some(config) = config else { return Ok(None) };
    if config.minimum_pollers.is_none()
        && config.maximum_pollers.is_none()
        && config.poller_group_name.is_none()
    {
        return Ok(None);
    }
    let wrong = |text: String| Err(Fault::InvalidParameter(text));
    if config.poller_group_name.is_some() {
        return wrong("Unsupported PollerGroupName parameter for given event source mapping type.".into());
    }
    let number = |name: &str, given: Option<i32>, default: u32, most: u32| match given {
        None => Ok(default),
        Some(number) if (LEAST_POLLERS..=most).contains(&number.unsigned_abs()) => Ok(number.unsigned_abs()),
        Some(_) => Err(Fault::InvalidParameter(format!(
            "{name} must be between {LEAST_POLLERS} and {most} for SQS event sources."
        ))),
    };
    let minimum = number("MinimumPollers", config.minimum_pollers, LEAST_POLLERS, MOST_MINIMUM_POLLERS)?;
    let default = DEFAULT_MAXIMUM_POLLERS.max(minimum);
    let maximum = number("MaximumPollers", config.maximum_pollers, default, MOST_POLLERS)?;
    if maximum < minimum {
        return wrong("MaximumPollers must be greater than or equal to MinimumPollers.".into());
    }
    Ok(Some(Pollers { minimum, maximum }))
}

/// What a queue's mapping has on AWS and not here.
fn check_not_yet(kind: Kind, request: &CreateEventSourceMappingRequest) -> Result<(), Fault> {
    if !kind.is_sqs() {
        return Ok(());
    }
    let metrics = request.metrics_config.as_ref().and_then(|config| config.metrics.as_ref());
    let other = metrics.into_iter().flatten().find(|metric| *metric != EVENT_COUNT);
    let refused = if request.kms_key_arn.is_some() {
        "KMSKeyArn can't be obeyed here: filters are not encrypted with keys of KMS.".to_owned()
    } else if let Some(other) = other {
        format!("The metric {other} is not available for queues.")
    } else {
        return Ok(());
    };
    Err(Fault::InvalidParameter(refused))
}

/// A mapping with an update's parameters, as a request that would create it.
pub(crate) fn as_created(
    mapping: &EventSourceMapping,
    update: &UpdateEventSourceMappingRequest,
) -> CreateEventSourceMappingRequest {
    let update = update.clone();
    CreateEventSourceMappingRequest {
        event_source_arn: Some(mapping.source_arn.clone()),
        batch_size: update.batch_size.or(Some(mapping.batch_size as i32)),
        maximum_batching_window_in_seconds: update
            .maximum_batching_window_in_seconds
            .or(Some(mapping.batching_window_s as i32)),
        filter_criteria: update.filter_criteria,
        kms_key_arn: update.kms_key_arn,
        metrics_config: update.metrics_config,
        logging_config: update.logging_config,
        scaling_config: update.scaling_config,
        parallelization_factor: update.parallelization_factor,
        destination_config: update.destination_config,
        maximum_record_age_in_seconds: update.maximum_record_age_in_seconds,
        bisect_batch_on_function_error: update.bisect_batch_on_function_error,
        maximum_retry_attempts: update.maximum_retry_attempts,
        tumbling_window_in_seconds: update.tumbling_window_in_seconds,
        source_access_configurations: update.source_access_configurations,
        function_response_types: update.function_response_types,
        amazon_managed_kafka_event_source_config: update.amazon_managed_kafka_event_source_config,
        self_managed_kafka_event_source_config: update.self_managed_kafka_event_source_config,
        document_db_event_source_config: update.document_db_event_source_config,
        provisioned_poller_config: update.provisioned_poller_config,
        ..Default::default()
    }
}

/// The patterns of filters.
pub(crate) fn patterns(criteria: Option<&FilterCriteria>) -> Vec<String> {
    let filters = criteria.and_then(|criteria| criteria.filters.as_ref());
    filters.into_iter().flatten().filter_map(|filter| filter.pattern.clone()).collect()
}

/// The model has checked that nothing else is said.
pub(crate) fn reports_item_failures(types: Option<&[String]>) -> bool {
    types.is_some_and(|types| types.iter().any(|kind| kind == REPORT_ITEM_FAILURES))
}

pub(crate) fn counts_events(config: Option<&EventSourceMappingMetricsConfig>) -> bool {
    let metrics = config.and_then(|config| config.metrics.as_ref());
    metrics.is_some_and(|metrics| metrics.iter().any(|metric| metric == EVENT_COUNT))
}

/// Parameters that not every source takes: name, whether it is given, whether it is taken.
fn parameters(kind: Kind, request: &CreateEventSourceMappingRequest) -> [(&'static str, bool, bool); 19] {
    let (sqs, stream, kafka) = (kind.is_sqs(), kind.is_stream(), kind.is_kafka());
    let fifo = kind == (Kind::Sqs { fifo: true });
    let window = request.maximum_batching_window_in_seconds.is_some_and(|window| window > 0);
    [
        ("MaximumBatchingWindowInSeconds", window, !fifo),
        ("StartingPosition", request.starting_position.is_some(), !sqs && kind != Kind::Mq),
        (
            "StartingPositionTimestamp",
            request.starting_position_timestamp.is_some(),
            kind == Kind::Kinesis || kafka || kind == Kind::DocumentDb,
        ),
        ("ParallelizationFactor", request.parallelization_factor.is_some(), stream),
        ("MaximumRecordAgeInSeconds", request.maximum_record_age_in_seconds.is_some(), stream || kafka),
        ("MaximumRetryAttempts", request.maximum_retry_attempts.is_some(), stream || kafka),
        ("BisectBatchOnFunctionError", request.bisect_batch_on_function_error.is_some(), stream || kafka),
        ("TumblingWindowInSeconds", request.tumbling_window_in_seconds.is_some(), stream),
        ("FunctionResponseTypes", request.function_response_types.is_some(), sqs || stream || kafka),
        ("DestinationConfig", request.destination_config.is_some(), stream || kafka),
        ("ScalingConfig", request.scaling_config.is_some(), sqs),
        ("ProvisionedPollerConfig", request.provisioned_poller_config.is_some(), sqs || kafka),
        ("Topics", request.topics.is_some(), kafka),
        ("Queues", request.queues.is_some(), kind == Kind::Mq),
        (
            "SourceAccessConfigurations",
            request.source_access_configurations.is_some(),
            kafka || matches!(kind, Kind::Mq | Kind::DocumentDb),
        ),
        (
            "AmazonManagedKafkaEventSourceConfig",
            request.amazon_managed_kafka_event_source_config.is_some(),
            kind == Kind::Msk,
        ),
        (
            "SelfManagedKafkaEventSourceConfig",
            request.self_managed_kafka_event_source_config.is_some(),
            kind == Kind::SelfManagedKafka,
        ),
        (
            "DocumentDBEventSourceConfig",
            request.document_db_event_source_config.is_some(),
            kind == Kind::DocumentDb,
        ),
        ("LoggingConfig", request.logging_config.is_some(), kafka),
    ]
}

fn check_position(kind: Kind, request: &CreateEventSourceMappingRequest) -> Result<(), Fault> {
    let position = request.starting_position.as_deref();
    if kind.is_stream() && position.is_none() {
        // The final dot is AWS's (recorded).
        let text = "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.";
        return Err(Fault::InvalidParameter(text.into()));
    }
    if position == Some("AT_TIMESTAMP") {
        if kind == Kind::DynamoDb {
            let arn = request.event_source_arn.as_deref().unwrap_or_default();
            return Err(Fault::InvalidParameter(format!(
                "Unsupported starting position for arn type: {arn}"
            )));
        }
        if request.starting_position_timestamp.is_none() {
            let text = "StartingPositionTimestamp is required when StartingPosition is AT_TIMESTAMP.";
            return Err(Fault::InvalidParameter(text.into()));
        }
    }
    Ok(())
}

fn check_batch(kind: Kind, request: &CreateEventSourceMappingRequest) -> Result<(), Fault> {
    let Some(size) = request.batch_size else { return Ok(()) };
    let window = request.maximum_batching_window_in_seconds.unwrap_or_default();
    match kind {
        Kind::Sqs { fifo: true } if size > FIFO_BATCH => Err(Fault::InvalidParameter(format!(
            "BatchSize of a FIFO queue must be less than or equal to {FIFO_BATCH}."
        ))),
        Kind::Sqs { fifo: false } if size > SQS_BATCH_WITHOUT_WINDOW && window == 0 => {
            let text = "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10";
            Err(Fault::InvalidParameter(text.into()))
        }
        _ => Ok(()),
    }
}

/// AWS has one text for whatever is wrong with a pattern. A filter without a pattern would let everything through.
fn check_filters(criteria: Option<&FilterCriteria>) -> Result<(), Fault> {
    let filters = criteria.and_then(|criteria| criteria.filters.as_ref());
    for filter in filters.into_iter().flatten() {
        if filter.pattern.as_deref().is_none_or(|pattern| Pattern::compile(pattern).is_err()) {
            return Err(Fault::InvalidParameter("Invalid filter pattern definition.".into()));
        }
    }
    // The model allows more than the service does without a raised quota (AWS documentation).
    if filters.is_some_and(|filters| filters.len() > MAX_FILTERS) {
        let text = format!("Number of filters exceeds the limit of {MAX_FILTERS}.");
        return Err(Fault::InvalidParameter(text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use lambent_wire::lambda::types::{DestinationConfig, Filter, SelfManagedEventSource};

    use super::*;

    fn request(arn: &str) -> CreateEventSourceMappingRequest {
        CreateEventSourceMappingRequest { event_source_arn: Some(arn.into()), ..Default::default() }
    }

    fn refused(request: &CreateEventSourceMappingRequest) -> String {
        match Kind::of(request).and_then(|kind| check(kind, request)) {
            Err(Fault::InvalidParameter(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    const QUEUE: &str = "arn:aws:sqs:us-east-1:123456789012:q";
    const STREAM: &str = "arn:aws:kinesis:us-east-1:123456789012:stream/s";
    const TABLE: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/2026";

    #[test]
    fn sources_are_told_apart_by_their_arns() {
        for (arn, kind) in [
            (QUEUE, Kind::Sqs { fifo: false }),
            ("arn:aws:sqs:us-east-1:123456789012:q.fifo", Kind::Sqs { fifo: true }),
            (STREAM, Kind::Kinesis),
            (TABLE, Kind::DynamoDb),
            ("arn:aws:kafka:us-east-1:123456789012:cluster/c/1", Kind::Msk),
            ("arn:aws:mq:us-east-1:123456789012:broker:b:1", Kind::Mq),
            ("arn:aws:rds:us-east-1:123456789012:cluster:c", Kind::DocumentDb),
        ] {
            assert_eq!(Kind::of(&request(arn)).unwrap(), kind, "{arn}");
        }
        let mut both = request(QUEUE);
        both.self_managed_event_source = Some(SelfManagedEventSource::default());
        for unknown in [CreateEventSourceMappingRequest::default(), request("arn:aws:s3:::b"), both] {
            assert_eq!(Kind::of(&unknown), Err(Fault::InvalidParameter("Unrecognized event source.".into())));
        }
    }

    #[test]
    fn each_source_takes_its_own_parameters() {
        let mut queue = request(QUEUE);
        assert_eq!(check(Kind::of(&queue).unwrap(), &queue), Ok(()));
        queue.destination_config = Some(DestinationConfig::default());
        assert_eq!(
            refused(&queue),
            "Unsupported DestinationConfig parameter for given event source mapping type."
        );
        let mut large = request(QUEUE);
        large.batch_size = Some(11);
        assert!(refused(&large).starts_with("Maximum batch window in seconds must be greater than 0"));
        large.maximum_batching_window_in_seconds = Some(1);
        assert_eq!(check(Kind::of(&large).unwrap(), &large), Ok(()));
        large.event_source_arn = Some(format!("{QUEUE}.fifo"));
        assert!(refused(&large).starts_with("Unsupported MaximumBatchingWindowInSeconds"));
        let kafka = CreateEventSourceMappingRequest {
            self_managed_event_source: Some(SelfManagedEventSource::default()),
            ..Default::default()
        };
        assert_eq!(refused(&kafka), "Required 'sourceAccessConfigurations' parameter is missing.");
    }

    #[test]
    fn streams_need_a_position() {
        let mut stream = request(STREAM);
        assert!(refused(&stream).ends_with(
            "Value null at 'startingPosition' failed to satisfy constraint: Member must not be null."
        ));
        stream.starting_position = Some("AT_TIMESTAMP".into());
        assert!(refused(&stream).starts_with("StartingPositionTimestamp is required"));
        stream.starting_position_timestamp = Some(1.0);
        assert_eq!(check(Kind::of(&stream).unwrap(), &stream), Ok(()));
        let mut table = request(TABLE);
        table.starting_position = Some("AT_TIMESTAMP".into());
        assert_eq!(refused(&table), format!("Unsupported starting position for arn type: {TABLE}"));
    }

    #[test]
    fn a_queue_has_two_pollers_or_more() {
        let config = |minimum_pollers, maximum_pollers| {
            pollers(Some(&ProvisionedPollerConfig {
                minimum_pollers,
                maximum_pollers,
                poller_group_name: None,
            }))
        };
        let of = |minimum, maximum| Ok(Some(Pollers { minimum, maximum }));
        assert_eq!(pollers(None), Ok(None));
        assert_eq!(config(None, None), Ok(None));
        assert_eq!(config(Some(3), None), of(3, 200));
        assert_eq!(config(None, Some(9)), of(2, 9));
        assert_eq!(config(Some(200), Some(2_000)), of(200, 2_000));
        for (minimum, maximum) in
            [(Some(1), None), (Some(201), None), (None, Some(1)), (None, Some(2_001)), (Some(5), Some(4))]
        {
            assert!(config(minimum, maximum).is_err(), "{minimum:?} {maximum:?}");
        }
        let mut both = request(QUEUE);
        both.scaling_config = Some(Default::default());
        both.provisioned_poller_config = Some(Default::default());
        assert_eq!(refused(&both), ONE_OF_BOTH);
    }

    #[test]
    fn filters_are_event_patterns() {
        let with = |pattern: &str| {
            let filter = Filter { pattern: Some(pattern.into()) };
            let criteria = FilterCriteria { filters: Some(vec![filter]) };
            check_filters(Some(&criteria))
        };
        assert_eq!(with(r#"{"body": ["x"]}"#), Ok(()));
        for wrong in ["", "[]", "{", "\"body\"", r#"{"body": "x"}"#, r#"{"body": [{"like": "x"}]}"#] {
            assert_eq!(
                with(wrong),
                Err(Fault::InvalidParameter("Invalid filter pattern definition.".into()))
            );
        }
    }
}
