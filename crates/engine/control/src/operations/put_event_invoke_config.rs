//! PutFunctionEventInvokeConfig replaces the whole configuration, UpdateFunctionEventInvokeConfig what is given of it.
//! Destinations are one setting: a `DestinationConfig` replaces both (judgement).

use lambent_api_kit::{Context, Handle};
use lambent_domain::async_config::EventInvokeConfig;
use lambent_domain::{Fault, Function, FunctionKey, FunctionName, FunctionRef, Scope};
use lambent_wire::lambda::operations::put_function_event_invoke_config::PutFunctionEventInvokeConfigRequest;
use lambent_wire::lambda::operations::update_function_event_invoke_config::UpdateFunctionEventInvokeConfigRequest;
use lambent_wire::lambda::operations::{PutFunctionEventInvokeConfig, UpdateFunctionEventInvokeConfig};
use lambent_wire::lambda::types::{self, DestinationConfig};

use super::event_invoke_configs::{no_function, none, shown};
use crate::Control;
use crate::target::Target;

impl Handle<PutFunctionEventInvokeConfig> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: PutFunctionEventInvokeConfigRequest,
    ) -> Result<types::FunctionEventInvokeConfig, Fault> {
        let target = Target::parse(&input.function_name, input.qualifier.as_deref(), &context.scope)?;
        let asked = Asked {
            retry_attempts: input.maximum_retry_attempts,
            event_age_s: input.maximum_event_age_in_seconds,
            destinations: input.destination_config,
        };
        self.configure(&target, &asked, |_| Ok(EventInvokeConfig::default())).await
    }
}

impl Handle<UpdateFunctionEventInvokeConfig> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: UpdateFunctionEventInvokeConfigRequest,
    ) -> Result<types::FunctionEventInvokeConfig, Fault> {
        let target = Target::parse(&input.function_name, input.qualifier.as_deref(), &context.scope)?;
        let asked = Asked {
            retry_attempts: input.maximum_retry_attempts,
            event_age_s: input.maximum_event_age_in_seconds,
            destinations: input.destination_config,
        };
        let qualifier = target.qualifier_or_latest();
        let current = |function: &Function| {
            function.event_invoke.get(&qualifier).cloned().ok_or_else(|| none(&target.key, &qualifier))
        };
        self.configure(&target, &asked, current).await
    }
}

/// What either operation was asked for. The model's ranges have been checked.
struct Asked {
    retry_attempts: Option<i32>,
    event_age_s: Option<i32>,
    destinations: Option<DestinationConfig>,
}

impl Asked {
    fn is_empty(&self) -> bool {
        self.retry_attempts.is_none() && self.event_age_s.is_none() && self.destinations.is_none()
    }

    fn apply(&self, config: &mut EventInvokeConfig) {
        if let Some(count) = self.retry_attempts {
            config.maximum_retry_attempts = Some(count.unsigned_abs());
        }
        if let Some(seconds) = self.event_age_s {
            config.maximum_event_age_s = Some(seconds.unsigned_abs());
        }
        if let Some(destinations) = &self.destinations {
            config.on_success = on_success(destinations).map(str::to_owned);
            config.on_failure = on_failure(destinations).map(str::to_owned);
        }
    }
}

impl Control {
    /// Applies what was asked to what `base` says it is applied to.
    async fn configure(
        &self,
        target: &Target,
        asked: &Asked,
        base: impl Fn(&Function) -> Result<EventInvokeConfig, Fault>,
    ) -> Result<types::FunctionEventInvokeConfig, Fault> {
        if asked.is_empty() {
            let text = "You must specify at least one of error handling or destination setting.";
            return Err(Fault::InvalidParameter(text.into()));
        }
        let qualifier = target.qualifier_or_latest();
        let change = |function: &mut Function| {
            if function.primary(Some(&qualifier)).is_none() {
                return Err(no_function());
            }
            let mut config = base(function)?;
            if let Some(destinations) = &asked.destinations {
                check_destinations(destinations, &target.key, |arn| self.has_function(arn))?;
            }
            asked.apply(&mut config);
            config.last_modified = self.now();
            function.event_invoke.insert(qualifier.clone(), config.clone());
            Ok(config)
        };
        match self.change(target, change).await {
            Err(Fault::FunctionNotFound(_)) => Err(no_function()),
            changed => changed.map(|(_, config)| shown(&target.key, &qualifier, &config)),
        }
    }

    /// The function of an ARN, with the version or alias that it may name, is there.
    fn has_function(&self, arn: &FunctionRef) -> bool {
        let (Some(region), Some(account)) = (arn.region.clone(), arn.account.clone()) else {
            return false;
        };
        let Some(name) = FunctionName::parse(&arn.name) else {
            return false;
        };
        let key = FunctionKey { scope: Scope { account, region }, name };
        let function = self.parts.store.function(&key);
        function.is_some_and(|function| function.primary(arn.qualifier.as_ref()).is_some())
    }
}

/// An empty text takes a destination away, as an absent one does: the model's pattern allows it.
fn on_success(given: &DestinationConfig) -> Option<&str> {
    given.on_success.as_ref()?.destination.as_deref().filter(|arn| !arn.is_empty())
}

fn on_failure(given: &DestinationConfig) -> Option<&str> {
    given.on_failure.as_ref()?.destination.as_deref().filter(|arn| !arn.is_empty())
}

/// Checks both ARNs. Queues and topics are not looked up: they live in other services.
fn check_destinations(
    given: &DestinationConfig,
    own: &FunctionKey,
    has_function: impl Fn(&FunctionRef) -> bool,
) -> Result<(), Fault> {
    // AWS writes failed executions, and only these, to buckets too (its documentation).
    let services: [(Option<&str>, &[&str]); 2] = [
        (on_failure(given), &["sqs", "sns", "lambda", "events", "s3"]),
        (on_success(given), &["sqs", "sns", "lambda", "events"]),
    ];
    for (arn, services) in services {
        let Some(arn) = arn else { continue };
        let service = arn.split(':').nth(2).unwrap_or_default();
        // Order can't be kept on the way there: AWS takes no FIFO queues and topics (its documentation).
        if !services.contains(&service) || arn.ends_with(".fifo") {
            return Err(unsupported(given));
        }
        if service != "lambda" {
            continue;
        }
        let function = FunctionRef::parse(arn).filter(&has_function);
        let function = function
            .ok_or_else(|| Fault::InvalidParameter(format!("The destination ARN {arn} is invalid.")))?;
        let same_scope = function.region.as_ref() == Some(&own.scope.region)
            && function.account.as_ref() == Some(&own.scope.account);
        if same_scope && function.name == own.name.as_str() {
            let text = "You can't specify the function as a destination for itself.";
            return Err(Fault::InvalidParameter(text.into()));
        }
    }
    Ok(())
}

/// AWS shows the object as its own code prints it (recorded).
fn unsupported(given: &DestinationConfig) -> Fault {
    let printed = |name: &str, part: Option<Option<&str>>| match part {
        Some(arn) => format!("{name}(destination={})", arn.unwrap_or("null")),
        None => "null".to_owned(),
    };
    let success = given.on_success.as_ref().map(|part| part.destination.as_deref());
    let failure = given.on_failure.as_ref().map(|part| part.destination.as_deref());
    Fault::InvalidParameter(format!(
        "The provided destination config DestinationConfig(onSuccess={}, onFailure={}) is invalid.",
        printed("OnSuccess", success),
        printed("OnFailure", failure)
    ))
}

#[cfg(test)]
mod tests {
    use lambent_domain::{AccountId, Region};
    use lambent_wire::lambda::types::{OnFailure, OnSuccess};

    use super::*;

    const OWN: &str = "arn:aws:lambda:us-east-1:123456789012:function:own";
    const OTHER: &str = "arn:aws:lambda:us-east-1:123456789012:function:other";

    /// Success and failure.
    fn checked(success: Option<&str>, failure: Option<&str>) -> Result<(), Fault> {
        let own = FunctionKey {
            scope: Scope {
                account: AccountId::parse("123456789012").unwrap(),
                region: Region::parse("us-east-1").unwrap(),
            },
            name: FunctionName::parse("own").unwrap(),
        };
        let given = DestinationConfig {
            on_success: success.map(|arn| OnSuccess { destination: Some(arn.into()) }),
            on_failure: failure.map(|arn| OnFailure { destination: Some(arn.into()) }),
        };
        check_destinations(&given, &own, |function| ["own", "other"].contains(&function.name.as_str()))
    }

    fn refused(text: impl Into<String>) -> Result<(), Fault> {
        Err(Fault::InvalidParameter(text.into()))
    }

    #[test]
    fn destinations_are_of_services_that_take_them() {
        for arn in [
            "arn:aws:sqs:us-east-1:123456789012:q",
            "arn:aws:sns:us-east-1:123456789012:t",
            "arn:aws:events:us-east-1:123456789012:event-bus/b",
            OTHER,
            "",
        ] {
            assert_eq!(checked(Some(arn), Some(arn)), Ok(()), "{arn}");
        }
        let (iam, bucket, broker) =
            ("arn:aws:iam:us-east-1:123456789012:x", "arn:aws:s3:::b", "kafka://topic");
        let text = format!(
            "The provided destination config DestinationConfig(onSuccess=OnSuccess(destination={iam}), onFailure=null) is invalid."
        );
        assert_eq!(checked(Some(iam), None), refused(text));
        assert_eq!(checked(None, Some(bucket)), Ok(()));
        assert!(checked(Some("arn:aws:sqs:us-east-1:123456789012:q.fifo"), None).is_err());
        assert!(checked(None, Some("arn:aws:sns:us-east-1:123456789012:t.fifo")).is_err());
        let text = format!(
            "The provided destination config DestinationConfig(onSuccess=OnSuccess(destination={bucket}), onFailure=OnFailure(destination={broker})) is invalid."
        );
        assert_eq!(checked(Some(bucket), Some(broker)), refused(text));
    }

    #[test]
    fn a_function_as_destination_is_there_and_another() {
        let missing = OTHER.replace("other", "missing");
        assert_eq!(
            checked(Some(&missing), None),
            refused(format!("The destination ARN {missing} is invalid."))
        );
        let text = "You can't specify the function as a destination for itself.";
        assert_eq!(checked(None, Some(OWN)), refused(text));
        assert_eq!(checked(None, Some(&format!("{OWN}:live"))), refused(text));
        assert_eq!(checked(Some(&OWN.replace("us-east-1", "eu-west-1")), None), Ok(()));
    }
}
