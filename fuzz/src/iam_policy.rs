//! IAM's policies. Input: action, resource, context key and its values in the first four lines, the document in the others.

use std::time::{Duration, Instant};

use lambent_iam_policy::{Context, Decision, Kind, Policies, Policy, Principal, Request, evaluate};

/// Far above what any policy takes, far below what hurts.
const ENOUGH: Duration = Duration::from_secs(5);

/// A document is read or refused with a text, has a place for each statement, and decides about any request in bounded
/// time: as what an identity may do, and as what a resource grants.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.splitn(5, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (action, resource, key, values, document) = (line(), line(), line(), line(), line());
    let begun = Instant::now();
    match Policy::parse(document) {
        Ok(policy) => {
            for kind in [Kind::Identity { managed: true }, Kind::Resource, Kind::Trust, Kind::Session] {
                let _ = policy.check(kind);
            }
            for statement in 0..policy.len() {
                assert!(policy.place(statement).is_some(), "every statement stands somewhere");
            }
            let principal = Principal::User { arn: "arn:aws:iam::123456789012:user/ana".into() };
            let mut context = Context::of(&principal);
            context.set_all(key, values.split(','));
            let request = Request { principal: &principal, action, resource, context: &context };
            let own = evaluate(&request, &Policies { identity: &[&policy], ..Policies::default() });
            assert!(own.decision == Decision::ImplicitDeny || !own.matched.is_empty());
            let granted = evaluate(&request, &Policies { resource: Some(&policy), ..Policies::default() });
            assert!(granted.decision != Decision::ExplicitDeny || !granted.matched.is_empty());
        }
        Err(refused) => assert!(!refused.to_string().is_empty(), "a refusal says why"),
    }
    assert!(begun.elapsed() < ENOUGH, "took {:?}", begun.elapsed());
}
