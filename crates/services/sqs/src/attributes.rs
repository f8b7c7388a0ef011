//! Attributes of queues: which there are, what they may be, and what they mean. All of them are text on the wire; what
//! is stored is what was set, and defaults are added when they are read.

use std::collections::BTreeMap;

use lambent_ports::message_store::QueueRecord;

use crate::SqsFault;

/// Attributes that can be set, with those that are numbers: least, greatest, default (AWS documentation).
const NUMBERS: &[(&str, u64, u64, u64)] = &[
    ("DelaySeconds", 0, 900, 0),
    ("MaximumMessageSize", 1_024, 1_048_576, 1_048_576),
    ("MessageRetentionPeriod", 60, 1_209_600, 345_600),
    ("ReceiveMessageWaitTimeSeconds", 0, 20, 0),
    ("VisibilityTimeout", 0, 43_200, 30),
];
const KMS_REUSE: (&str, u64, u64) = ("KmsDataKeyReusePeriodSeconds", 60, 86_400);
/// Only in FIFO queues: values, the default first.
const FIFO_WORDS: &[(&str, &[&str])] = &[
    ("ContentBasedDeduplication", &["false", "true"]),
    ("DeduplicationScope", &["queue", "messageGroup"]),
    ("FifoThroughputLimit", &["perQueue", "perMessageGroupId"]),
];
const TEXTS: &[&str] = &["Policy", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId"];
/// What a queue has besides what can be set.
const READ_ONLY: &[&str] = &[
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];

pub(crate) type Attributes = BTreeMap<String, String>;

/// A queue's attributes as what they mean.
pub(crate) struct Settings<'a>(&'a QueueRecord);

impl<'a> Settings<'a> {
    pub(crate) fn of(queue: &'a QueueRecord) -> Self {
        Settings(queue)
    }

    fn number(&self, name: &str) -> u64 {
        let set = self.0.attributes.get(name).and_then(|value| value.parse().ok());
        let default = || NUMBERS.iter().find(|(known, ..)| *known == name).map_or(0, |number| number.3);
        set.unwrap_or_else(default)
    }

    fn is(&self, name: &str, value: &str) -> bool {
        self.0.attributes.get(name).is_some_and(|set| set == value)
    }

    pub(crate) fn delay_ms(&self) -> u64 {
        self.number("DelaySeconds") * 1_000
    }

    pub(crate) fn max_message_bytes(&self) -> usize {
        self.number("MaximumMessageSize") as usize
    }

    pub(crate) fn retention_ms(&self) -> u64 {
        self.number("MessageRetentionPeriod") * 1_000
    }

    pub(crate) fn wait_ms(&self) -> u64 {
        self.number("ReceiveMessageWaitTimeSeconds") * 1_000
    }

    pub(crate) fn visibility_ms(&self) -> u64 {
        self.number("VisibilityTimeout") * 1_000
    }

    pub(crate) fn deduplicates_content(&self) -> bool {
        self.is("ContentBasedDeduplication", "true")
    }

    pub(crate) fn deduplicates_per_group(&self) -> bool {
        self.is("DeduplicationScope", "messageGroup")
    }
}

/// Attributes of a queue that is about to be made.
pub(crate) fn for_new(fifo: bool, given: Attributes) -> Result<Attributes, SqsFault> {
    let mut set = Attributes::new();
    apply(&mut set, fifo, given)?;
    Ok(set)
}

/// Lays `given` over `set`. An empty value takes an attribute back to its default.
pub(crate) fn apply(set: &mut Attributes, fifo: bool, given: Attributes) -> Result<(), SqsFault> {
    for (name, value) in given {
        check(&name, &value, fifo)?;
        // Keys of one's own and those of SQS exclude each other (recorded).
        match (name.as_str(), value.as_str()) {
            ("KmsMasterKeyId", key) if !key.is_empty() => {
                set.insert("SqsManagedSseEnabled".into(), "false".into());
            }
            ("SqsManagedSseEnabled", "true") => {
                set.remove("KmsMasterKeyId");
                set.remove("KmsDataKeyReusePeriodSeconds");
            }
            _ => {}
        }
        match value.is_empty() {
            true => set.remove(&name),
            false => set.insert(name, value),
        };
    }
    let per_group = set.get("FifoThroughputLimit").is_some_and(|limit| limit == "perMessageGroupId");
    let scope = set.get("DeduplicationScope").is_some_and(|scope| scope == "messageGroup");
    if per_group && !scope {
        // AWS documentation: high throughput needs both.
        return Err(SqsFault::AttributeValue(
            "Invalid value for the parameter FifoThroughputLimit. Reason: perMessageGroupId is allowed only when the value for DeduplicationScope is messageGroup.".into(),
        ));
    }
    Ok(())
}

fn check(name: &str, value: &str, fifo: bool) -> Result<(), SqsFault> {
    let unknown = || SqsFault::UnknownAttribute(name.to_owned());
    let wrong = || SqsFault::AttributeValue(format!("Invalid value for the parameter {name}."));
    let within = |least: u64, greatest: u64| {
        let fits = value.parse().is_ok_and(|value: u64| (least..=greatest).contains(&value));
        if fits || value.is_empty() { Ok(()) } else { Err(wrong()) }
    };
    if let Some((_, least, greatest, _)) = NUMBERS.iter().find(|(known, ..)| *known == name) {
        return within(*least, *greatest);
    }
    if let Some((_, values)) = FIFO_WORDS.iter().find(|(known, _)| *known == name) {
        return match fifo {
            false => Err(unknown()),
            true if value.is_empty() || values.contains(&value) => Ok(()),
            true => Err(wrong()),
        };
    }
    match name {
        _ if TEXTS.contains(&name) => Ok(()),
        _ if name == KMS_REUSE.0 => within(KMS_REUSE.1, KMS_REUSE.2),
        "SqsManagedSseEnabled" if matches!(value, "true" | "false" | "") => Ok(()),
        "SqsManagedSseEnabled" => Err(wrong()),
        "FifoQueue" if fifo && value == "true" => Ok(()),
        "FifoQueue" if fifo => Err(wrong()),
        _ => Err(unknown()),
    }
}

/// What is asked for: everything, or known names.
pub(crate) enum Asked<'a> {
    All,
    Names(&'a [String]),
}

impl<'a> Asked<'a> {
    pub(crate) fn of(names: &'a [String]) -> Result<Self, SqsFault> {
        let known = |name: &str| {
            NUMBERS.iter().any(|(known, ..)| *known == name)
                || FIFO_WORDS.iter().any(|(known, _)| *known == name)
                || TEXTS.contains(&name)
                || READ_ONLY.contains(&name)
                || matches!(name, "All" | "FifoQueue" | "SqsManagedSseEnabled")
                || name == KMS_REUSE.0
        };
        if let Some(unknown) = names.iter().find(|name| !known(name)) {
            return Err(SqsFault::UnknownAttribute(unknown.clone()));
        }
        match names.iter().any(|name| name == "All") {
            true => Ok(Asked::All),
            false => Ok(Asked::Names(names)),
        }
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        match self {
            Asked::All => true,
            Asked::Names(names) => names.iter().any(|asked| asked == name),
        }
    }
}

/// Everything that was set, with defaults where there are any.
pub(crate) fn effective(queue: &QueueRecord) -> Attributes {
    let mut all = Attributes::new();
    all.extend(NUMBERS.iter().map(|(name, _, _, default)| ((*name).to_owned(), default.to_string())));
    all.insert("SqsManagedSseEnabled".into(), "true".into());
    if queue.is_fifo() {
        all.insert("FifoQueue".into(), "true".into());
        all.extend(FIFO_WORDS.iter().map(|(name, values)| ((*name).to_owned(), values[0].to_owned())));
    }
    all.extend(queue.attributes.clone());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, &str)]) -> Attributes {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn attributes_that_a_queue_of_its_kind_lacks_are_unknown() {
        for name in ["FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "QueueArn", "Nonsense"] {
            let refused = for_new(false, given(&[(name, "true")])).unwrap_err();
            assert_eq!(refused, SqsFault::UnknownAttribute(name.into()));
        }
        assert!(
            for_new(true, given(&[("FifoQueue", "true"), ("ContentBasedDeduplication", "true")])).is_ok()
        );
    }

    #[test]
    fn numbers_stay_within_their_bounds() {
        for (name, value) in
            [("DelaySeconds", "901"), ("VisibilityTimeout", "-1"), ("MaximumMessageSize", "x")]
        {
            let refused = for_new(false, given(&[(name, value)])).unwrap_err();
            assert_eq!(refused, SqsFault::AttributeValue(format!("Invalid value for the parameter {name}.")));
        }
    }

    #[test]
    fn an_own_key_ends_managed_encryption_and_stays_so() {
        let mut set = for_new(false, given(&[("KmsMasterKeyId", "k")])).unwrap();
        assert_eq!(set["SqsManagedSseEnabled"], "false");
        apply(&mut set, false, given(&[("KmsMasterKeyId", "")])).unwrap();
        assert_eq!(set, given(&[("SqsManagedSseEnabled", "false")]));
    }

    #[test]
    fn high_throughput_needs_both_settings() {
        let half = given(&[("FifoThroughputLimit", "perMessageGroupId")]);
        assert!(for_new(true, half.clone()).is_err());
        let both = given(&[("DeduplicationScope", "messageGroup")]).into_iter().chain(half).collect();
        assert!(for_new(true, both).is_ok());
    }
}
