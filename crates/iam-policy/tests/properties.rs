//! What has to hold of every decision.

use lambent_iam_policy::{Context, Decision, Kind, Outcome, Policies, Policy, Principal, Request, evaluate};
use proptest::prelude::*;

const USER: &str = "arn:aws:iam::123456789012:user/ana";
const ROLE: &str = "arn:aws:iam::123456789012:role/backup";

fn principal() -> impl Strategy<Value = Principal> {
    prop_oneof![
        Just(Principal::User { arn: USER.into() }),
        Just(Principal::Session {
            arn: "arn:aws:sts::123456789012:assumed-role/backup/x".into(),
            role: ROLE.into()
        }),
        Just(Principal::Root { account: "123456789012".into() }),
        Just(Principal::Service { name: "s3.amazonaws.com".into() }),
        Just(Principal::Anonymous),
    ]
}

/// Words of which actions, resources and patterns of them are made, so that they match often.
fn action() -> impl Strategy<Value = String> {
    "(s3|sqs):(Get|Put)(A|B)?"
}

fn action_pattern() -> impl Strategy<Value = String> {
    prop_oneof![Just("*".to_owned()), "(s3|sqs|S3):(Get|Put|\\*)(A|B|\\*|\\?)?"]
}

fn resource() -> impl Strategy<Value = String> {
    "arn:aws:s3:::(a|b)(/x)?"
}

fn resource_pattern() -> impl Strategy<Value = String> {
    prop_oneof![Just("*".to_owned()), "arn:aws:s3:::(a|b|\\*|\\?|\\$\\{aws:username\\})(/\\*)?"]
}

fn condition() -> impl Strategy<Value = String> {
    let operators = proptest::sample::select(vec![
        "StringEquals",
        "StringNotEqualsIfExists",
        "ForAllValues:StringLike",
        "ForAnyValue:StringNotLike",
        "Bool",
        "Null",
        "ArnNotLike",
        "IpAddress",
        "NumericLessThan",
        "DateGreaterThan",
    ]);
    let values = proptest::sample::select(vec!["a", "true", "10.0.0.0/8", "20", "${aws:username}"]);
    let condition = (operators, values).prop_map(|(operator, value)| {
        format!(r#", "Condition": {{"{operator}": {{"aws:username": "{value}"}}}}"#)
    });
    prop_oneof![Just(String::new()), condition]
}

fn statement(effect: &'static str) -> impl Strategy<Value = String> {
    let parts = (
        proptest::collection::vec(action_pattern(), 1..3),
        proptest::collection::vec(resource_pattern(), 1..3),
        condition(),
        any::<bool>(),
        any::<bool>(),
    );
    parts.prop_map(move |(actions, resources, condition, not_action, not_resource)| {
        let not = |not: bool| if not { "Not" } else { "" };
        format!(
            r#"{{"Effect": "{effect}", "{}Action": {actions:?}, "{}Resource": {resources:?}{condition}}}"#,
            not(not_action),
            not(not_resource)
        )
    })
}

fn document(statements: &[String]) -> Policy {
    let statements = statements.join(",");
    Policy::parse(&format!(r#"{{"Version": "2012-10-17", "Statement": [{statements}]}}"#)).expect(&statements)
}

fn policy() -> impl Strategy<Value = Policy> {
    let one = prop_oneof![statement("Allow"), statement("Allow"), statement("Deny")];
    proptest::collection::vec(one, 1..4).prop_map(|statements| document(&statements))
}

fn of_a_resource() -> impl Strategy<Value = Policy> {
    let who = prop_oneof![
        Just("\"*\"".to_owned()),
        Just(format!(r#"{{"AWS": "{USER}"}}"#)),
        Just(format!(r#"{{"AWS": "{ROLE}"}}"#)),
        Just(r#"{"AWS": "123456789012"}"#.to_owned()),
        Just(r#"{"Service": "s3.amazonaws.com"}"#.to_owned()),
    ];
    (statement("Allow"), who, any::<bool>()).prop_map(|(statement, who, not)| {
        let principal = if not { "NotPrincipal" } else { "Principal" };
        document(&[statement.replacen('{', &format!(r#"{{"{principal}": {who}, "#), 1)])
    })
}

#[derive(Clone, Debug)]
struct World {
    principal: Principal,
    action: String,
    resource: String,
    context: Context,
    identity: Vec<Policy>,
    boundary: Option<Policy>,
    session: Option<Vec<Policy>>,
    of_resource: Option<Policy>,
    elsewhere: bool,
    must: bool,
}

fn world() -> impl Strategy<Value = World> {
    let request = (principal(), action(), resource(), proptest::option::of("(a|b|true|10|10.0.0.1)"));
    let policies = (
        proptest::collection::vec(policy(), 0..3),
        proptest::option::of(policy()),
        proptest::option::of(proptest::collection::vec(policy(), 0..2)),
        proptest::option::of(of_a_resource()),
        any::<bool>(),
        any::<bool>(),
    );
    (request, policies).prop_map(|(request, policies)| {
        let (principal, action, resource, username) = request;
        let (identity, boundary, session, of_resource, elsewhere, must) = policies;
        let mut context = Context::of(&principal);
        if let Some(username) = username {
            context.set("aws:username", username);
        }
        World {
            principal,
            action,
            resource,
            context,
            identity,
            boundary,
            session,
            of_resource,
            elsewhere,
            must,
        }
    })
}

impl World {
    fn decide(&self) -> Outcome {
        let identity: Vec<&Policy> = self.identity.iter().collect();
        let session: Option<Vec<&Policy>> = self.session.as_ref().map(|session| session.iter().collect());
        let request = Request {
            principal: &self.principal,
            action: &self.action,
            resource: &self.resource,
            context: &self.context,
        };
        let policies = Policies {
            identity: &identity,
            boundary: self.boundary.as_ref(),
            session: session.as_deref(),
            resource: self.of_resource.as_ref(),
            resource_account: self.elsewhere.then_some("999999999999"),
            resource_must_allow: self.must,
        };
        evaluate(&request, &policies)
    }

    fn has_identity(&self) -> bool {
        matches!(self.principal, Principal::User { .. } | Principal::Session { .. })
    }
}

proptest! {
    #[test]
    fn an_explicit_deny_wins(mut world in world()) {
        let action = world.action.clone();
        let deny = format!(r#"{{"Effect": "Deny", "Action": "{action}", "Resource": "*"}}"#);
        world.identity.push(document(&[deny]));
        if world.has_identity() {
            prop_assert_eq!(world.decide().decision, Decision::ExplicitDeny);
        }
        let deny = format!(r#"{{"Effect": "Deny", "Principal": "*", "Action": "{action}", "Resource": "*"}}"#);
        world.of_resource = Some(document(&[deny]));
        prop_assert_eq!(world.decide().decision, Decision::ExplicitDeny);
    }

    #[test]
    fn another_allow_never_takes_anything_away(mut world in world(), statement in statement("Allow")) {
        let before = world.decide().decision;
        world.identity.push(document(&[statement]));
        let after = world.decide().decision;
        prop_assert!(after == before || (before == Decision::ImplicitDeny && after == Decision::Allowed));
    }

    #[test]
    fn another_deny_never_gives_anything(mut world in world(), statement in statement("Deny")) {
        let before = world.decide().decision;
        world.identity.push(document(&[statement]));
        let after = world.decide().decision;
        prop_assert!(after == before || after == Decision::ExplicitDeny);
    }

    #[test]
    fn a_boundary_and_a_sessions_policies_never_give_anything(mut world in world(), narrower in policy()) {
        world.boundary = None;
        world.session = None;
        let without = world.decide().allowed();
        world.boundary = Some(narrower.clone());
        prop_assert!(without || !world.decide().allowed());
        world.boundary = None;
        world.session = Some(vec![narrower]);
        prop_assert!(without || !world.decide().allowed());
    }

    #[test]
    fn what_is_not_on_a_list_is_its_complement(mut world in world(), actions in proptest::collection::vec(action_pattern(), 1..3)) {
        world.principal = Principal::User { arn: USER.into() };
        (world.boundary, world.session, world.of_resource) = (None, None, None);
        (world.elsewhere, world.must) = (false, false);
        let mut allowed = |list: &str| {
            let statement = format!(r#"{{"Effect": "Allow", "{list}": {actions:?}, "Resource": "*"}}"#);
            world.identity = vec![document(&[statement])];
            world.decide().allowed()
        };
        prop_assert_ne!(allowed("Action"), allowed("NotAction"));
    }

    #[test]
    fn an_outcome_says_why(world in world()) {
        let outcome = world.decide();
        prop_assert!(outcome.decision != Decision::ExplicitDeny || !outcome.matched.is_empty());
        prop_assert!(!outcome.reason("s3:GetObject").is_empty());
    }

    #[test]
    fn no_text_makes_reading_or_checking_panic(text in "\\PC{0,60}") {
        if let Ok(policy) = Policy::parse(&text) {
            let _ = policy.check(Kind::Resource);
        }
    }
}
