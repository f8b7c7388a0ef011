//! How often and when a delivery is tried: AWS's policy for its own services, and the one that users set for HTTP.

use lambent_ports::topic_store::{SubscriptionRecord, TopicRecord};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::jackson;

/// How delays grow between the shortest and the longest.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BackoffFunction {
    #[default]
    Linear,
    Arithmetic,
    Geometric,
    Exponential,
}

/// Four phases: at once, at the shortest delay, growing, at the longest.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct RetryPolicy {
    /// Seconds.
    pub(crate) min_delay_target: u32,
    /// Seconds.
    pub(crate) max_delay_target: u32,
    /// In all phases together.
    pub(crate) num_retries: u32,
    pub(crate) num_max_delay_retries: u32,
    pub(crate) num_no_delay_retries: u32,
    pub(crate) num_min_delay_retries: u32,
    pub(crate) backoff_function: BackoffFunction,
}

/// HTTP's (recorded).
impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy {
            min_delay_target: 20,
            max_delay_target: 20,
            num_retries: 3,
            num_max_delay_retries: 0,
            num_no_delay_retries: 0,
            num_min_delay_retries: 0,
            backoff_function: BackoffFunction::Linear,
        }
    }
}

/// For endpoints that AWS manages, over 23 days: 3 retries at once, 2 after a second each, 10 up to 20 seconds apart,
/// 100,000 every 20 seconds (AWS documentation).
pub(crate) const MANAGED: RetryPolicy = RetryPolicy {
    min_delay_target: 1,
    max_delay_target: 20,
    num_retries: 100_015,
    num_max_delay_retries: 100_000,
    num_no_delay_retries: 3,
    num_min_delay_retries: 2,
    backoff_function: BackoffFunction::Exponential,
};

/// Longest delay, and most retries, that can be asked for (AWS documentation).
const MAX_DELAY_S: u32 = 3_600;
const MAX_RETRIES: u32 = 100;

impl RetryPolicy {
    /// Milliseconds until the next attempt when so many have failed; nothing when it was the last one.
    pub(crate) fn delay_ms(&self, failed: u32) -> Option<u64> {
        let retry = failed.saturating_sub(1);
        if retry >= self.num_retries {
            return None;
        }
        let (min_ms, max_ms) =
            (u64::from(self.min_delay_target) * 1_000, u64::from(self.max_delay_target) * 1_000);
        let growing_from = self.num_no_delay_retries + self.num_min_delay_retries;
        let growing_to = self.num_retries - self.num_max_delay_retries.min(self.num_retries);
        Some(match retry {
            _ if retry < self.num_no_delay_retries => 0,
            _ if retry < growing_from => min_ms,
            _ if retry >= growing_to => max_ms,
            _ => self.grown_ms(min_ms, max_ms, retry - growing_from, growing_to - growing_from),
        })
    }

    /// The delay of step `step` of `steps`. AWS names the functions and draws their curves; how each comes from the
    /// shortest delay to the longest is judgement.
    fn grown_ms(&self, min_ms: u64, max_ms: u64, step: u32, steps: u32) -> u64 {
        if steps < 2 || max_ms <= min_ms {
            return min_ms;
        }
        let part = f64::from(step) / f64::from(steps - 1);
        let (min, max) = (min_ms as f64, max_ms as f64);
        let grown = match self.backoff_function {
            BackoffFunction::Linear => min + (max - min) * part,
            BackoffFunction::Arithmetic => min + (max - min) * part * part,
            BackoffFunction::Geometric => min + (max - min) * part * part * part,
            BackoffFunction::Exponential => min * (max / min.max(1.0)).powf(part),
        };
        grown.round() as u64
    }

    fn check(&self) -> Result<(), String> {
        let phases = self.num_no_delay_retries + self.num_min_delay_retries + self.num_max_delay_retries;
        if self.num_retries > MAX_RETRIES || phases > self.num_retries {
            return Err(format!(
                "numRetries must be between 0 and {MAX_RETRIES}, and at least those of its phases"
            ));
        }
        if self.max_delay_target > MAX_DELAY_S || self.min_delay_target > self.max_delay_target {
            return Err(format!(
                "minDelayTarget must not be greater than maxDelayTarget, nor that than {MAX_DELAY_S}"
            ));
        }
        Ok(())
    }
}

/// Of requests over HTTP.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RequestPolicy {
    pub(crate) header_content_type: String,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ThrottlePolicy {
    pub(crate) max_receives_per_second: u32,
}

/// What a subscription's deliveries go by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effective {
    pub(crate) retry: RetryPolicy,
    pub(crate) content_type: Option<String>,
    /// At most so many each second.
    pub(crate) throttle: Option<u32>,
}

const CONTENT_TYPE: &str = "text/plain; charset=UTF-8";

fn part<T: serde::de::DeserializeOwned>(of: &Map<String, Value>, name: &str) -> Result<Option<T>, String> {
    match of.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            serde_json::from_value(value.clone()).map(Some).map_err(|error| format!("{name}: {error}"))
        }
    }
}

fn only(of: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    match of.keys().find(|key| !known.contains(&key.as_str())) {
        Some(other) => Err(format!("unknown field {other}")),
        None => Ok(()),
    }
}

/// A topic's policy as it is shown: nulls left out, and whether subscriptions may have their own (recorded).
pub(crate) fn of_topic(text: &str) -> Result<Value, String> {
    let policy = jackson::object(text)?;
    only(&policy, &["http"])?;
    let mut http = part::<Map<String, Value>>(&policy, "http")?.unwrap_or_default();
    http.retain(|_, value| !value.is_null());
    only(
        &http,
        &[
            "defaultHealthyRetryPolicy",
            "disableSubscriptionOverrides",
            "defaultRequestPolicy",
            "defaultThrottlePolicy",
        ],
    )?;
    effective_of_topic(&http)?.retry.check()?;
    if let Some(disable) = http.get("disableSubscriptionOverrides").filter(|value| !value.is_boolean()) {
        return Err(format!("disableSubscriptionOverrides: {disable}"));
    }
    http.entry("disableSubscriptionOverrides").or_insert(Value::Bool(false));
    Ok(json!({ "http": http }))
}

fn effective_of_topic(http: &Map<String, Value>) -> Result<Effective, String> {
    Ok(Effective {
        retry: part(http, "defaultHealthyRetryPolicy")?.unwrap_or_default(),
        content_type: part::<RequestPolicy>(http, "defaultRequestPolicy")?.map(|one| one.header_content_type),
        throttle: part::<ThrottlePolicy>(http, "defaultThrottlePolicy")?
            .map(|one| one.max_receives_per_second),
    })
}

/// A subscription's policy as it is shown: every part, those that are not set as null (recorded).
pub(crate) fn of_subscription(text: &str) -> Result<Value, String> {
    let policy = jackson::object(text)?;
    only(
        &policy,
        &["healthyRetryPolicy", "sicklyRetryPolicy", "throttlePolicy", "requestPolicy", "guaranteed"],
    )?;
    if policy.get("sicklyRetryPolicy").is_some_and(|value| !value.is_null()) {
        return Err("sicklyRetryPolicy is not supported".into());
    }
    if policy.get("guaranteed").is_some_and(|value| *value != Value::Bool(false)) {
        return Err("guaranteed is not supported".into());
    }
    let retry = part::<RetryPolicy>(&policy, "healthyRetryPolicy")?;
    retry.map_or(Ok(()), |retry| retry.check())?;
    let throttle = part::<ThrottlePolicy>(&policy, "throttlePolicy")?;
    if throttle.as_ref().is_some_and(|throttle| throttle.max_receives_per_second == 0) {
        return Err("maxReceivesPerSecond must be greater than 0".into());
    }
    let request = part::<RequestPolicy>(&policy, "requestPolicy")?;
    Ok(json!({
        "guaranteed": false, "healthyRetryPolicy": retry, "requestPolicy": request,
        "sicklyRetryPolicy": null, "throttlePolicy": throttle,
    }))
}

/// What is in force: the subscription's, where the topic lets it have one; else the topic's; else AWS's.
pub(crate) fn effective(topic: Option<&str>, subscription: Option<&str>) -> Effective {
    let topic = topic.and_then(|text| of_topic(text).ok());
    let http = topic.as_ref().and_then(|topic| topic["http"].as_object());
    let disabled = http.is_some_and(|http| http["disableSubscriptionOverrides"] == true);
    let inherited = http.and_then(|http| effective_of_topic(http).ok()).unwrap_or_default();
    let own = subscription.filter(|_| !disabled).and_then(|text| jackson::object(text).ok());
    let Some(own) = own else { return inherited };
    let request = part::<RequestPolicy>(&own, "requestPolicy").ok().flatten();
    let throttle = part::<ThrottlePolicy>(&own, "throttlePolicy").ok().flatten();
    Effective {
        retry: part(&own, "healthyRetryPolicy").ok().flatten().unwrap_or(inherited.retry),
        content_type: request.map(|one| one.header_content_type).or(inherited.content_type),
        throttle: throttle.map(|one| one.max_receives_per_second).or(inherited.throttle),
    }
}

/// What is in force for a subscription.
pub(crate) fn of_delivery(topic: &TopicRecord, subscription: &SubscriptionRecord) -> Effective {
    let topic = topic.attributes.get("DeliveryPolicy");
    let subscription = subscription.attributes.get("DeliveryPolicy");
    effective(topic.map(String::as_str), subscription.map(String::as_str))
}

impl Effective {
    /// As a topic shows it.
    pub(crate) fn shown_by_topic(&self, disabled: bool) -> Value {
        let mut http = json!({
            "defaultHealthyRetryPolicy": self.retry,
            "disableSubscriptionOverrides": disabled,
            "defaultRequestPolicy": {"headerContentType": self.content_type()},
        });
        if let Some(throttle) = self.throttle {
            http["defaultThrottlePolicy"] = json!({ "maxReceivesPerSecond": throttle });
        }
        json!({ "http": http })
    }

    /// As a subscription shows it.
    pub(crate) fn shown_by_subscription(&self) -> Value {
        let throttle = self.throttle.map(|rate| json!({ "maxReceivesPerSecond": rate }));
        json!({
            "guaranteed": false, "healthyRetryPolicy": self.retry, "sicklyRetryPolicy": null,
            "throttlePolicy": throttle, "requestPolicy": {"headerContentType": self.content_type()},
        })
    }

    pub(crate) fn content_type(&self) -> &str {
        self.content_type.as_deref().unwrap_or(CONTENT_TYPE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_go_through_their_phases() {
        let delays: Vec<_> = (1..=17).map(|failed| MANAGED.delay_ms(failed).unwrap()).collect();
        assert_eq!(delays[..6], [0, 0, 0, 1_000, 1_000, 1_000]);
        assert!(delays[5..15].is_sorted(), "{delays:?}");
        assert_eq!(delays[14..], [20_000, 20_000, 20_000]);
        assert_eq!(MANAGED.delay_ms(100_015), Some(20_000));
        assert_eq!(MANAGED.delay_ms(100_016), None);
        let http = RetryPolicy::default();
        assert_eq!(
            [1, 2, 3, 4].map(|failed| http.delay_ms(failed)),
            [Some(20_000), Some(20_000), Some(20_000), None]
        );
        let none = RetryPolicy { num_retries: 0, ..http };
        assert_eq!(none.delay_ms(1), None);
        let growing = RetryPolicy { min_delay_target: 10, max_delay_target: 30, ..http };
        assert_eq!(
            [1, 2, 3].map(|failed| growing.delay_ms(failed)),
            [Some(10_000), Some(20_000), Some(30_000)]
        );
    }

    #[test]
    fn policies_are_shown_as_recorded() {
        let topic = of_topic(
            r#"{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":5,"maxDelayTarget":6,"numRetries":1},"defaultRequestPolicy":null}}"#,
        );
        let expected = r#"{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":5,"maxDelayTarget":6,"numRetries":1},"disableSubscriptionOverrides":false}}"#;
        assert_eq!(topic.unwrap().to_string(), expected);
        let own = of_subscription(r#"{"requestPolicy":{"headerContentType":"text/csv"}}"#).unwrap();
        assert_eq!(own["healthyRetryPolicy"], Value::Null);
        assert_eq!(own["guaranteed"], false);
        let in_force = effective(Some(expected), Some(&own.to_string()));
        assert_eq!((in_force.retry.max_delay_target, in_force.content_type()), (6, "text/csv"));
        for wrong in [
            r#"{"http":{"x":1}}"#,
            r#"{"x":1}"#,
            r#"{"http":{"defaultHealthyRetryPolicy":{"numRetries":101}}}"#,
        ] {
            assert!(of_topic(wrong).is_err(), "{wrong}");
        }
        assert!(of_subscription(r#"{"healthyRetryPolicy":{"minDelayTarget":30}}"#).is_err());
    }

    #[test]
    fn a_topic_can_forbid_its_subscriptions_a_policy_of_their_own() {
        let topic = r#"{"http":{"disableSubscriptionOverrides":true}}"#;
        let own = r#"{"healthyRetryPolicy":{"numRetries":0}}"#;
        assert_eq!(effective(Some(topic), Some(own)).retry.num_retries, 3);
        assert_eq!(effective(None, Some(own)).retry.num_retries, 0);
    }
}
