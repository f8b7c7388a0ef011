//! Names and ARNs in requests.

use lambent_domain::Scope;
use lambent_targets::Arn;

use crate::EventsFault;
use crate::record::{BusKey, DEFAULT_BUS, RuleKey};

/// The bus of a name or an ARN; none given is the default one.
pub(crate) fn bus(scope: &Scope, given: Option<&str>) -> BusKey {
    let given = given.unwrap_or(DEFAULT_BUS);
    let named =
        Arn::parse(given).and_then(|arn| Some((arn.scope?, arn.resource.strip_prefix("event-bus/")?)));
    match named {
        Some((scope, name)) => BusKey { scope, bus: name.to_owned() },
        None => BusKey { scope: scope.clone(), bus: given.to_owned() },
    }
}

/// What tags can be on.
pub(crate) enum Tagged {
    Bus(BusKey),
    Rule(RuleKey),
}

/// The bus or rule of an ARN.
pub(crate) fn tagged(arn: &str) -> Result<Tagged, EventsFault> {
    let parsed = Arn::parse(arn).filter(|parsed| parsed.service == "events");
    let named = parsed.and_then(|parsed| Some((parsed.scope?, parsed.resource)));
    let (scope, resource) = named.ok_or_else(|| EventsFault::parameter("ResourceARN"))?;
    let key = |bus: &str| BusKey { scope: scope.clone(), bus: bus.to_owned() };
    match resource.split_once('/') {
        Some(("event-bus", bus)) => Ok(Tagged::Bus(key(bus))),
        Some(("rule", rule)) => {
            let (bus, name) = rule.rsplit_once('/').unwrap_or((DEFAULT_BUS, rule));
            Ok(Tagged::Rule(key(bus).rule(name)))
        }
        _ => Err(EventsFault::parameter("ResourceARN")),
    }
}

/// Name and scope in an ARN of this service: `archive/a`.
pub(crate) fn of_kind<'a>(arn: &'a str, kind: &str) -> Option<(Scope, &'a str)> {
    let parsed = Arn::parse(arn).filter(|parsed| parsed.service == "events")?;
    let name = parsed.resource.strip_prefix(kind)?.strip_prefix('/')?;
    Some((parsed.scope?, name))
}
