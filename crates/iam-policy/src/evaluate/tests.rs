use super::*;

const USER: &str = "arn:aws:iam::123456789012:user/ana";
const ROLE: &str = "arn:aws:iam::123456789012:role/jobs/backup";
const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/backup/nightly";
const BUCKET: &str = "arn:aws:s3:::b/key";

fn policy(statements: &str) -> Policy {
    Policy::parse(&format!(r#"{{"Version": "2012-10-17", "Statement": [{statements}]}}"#)).expect(statements)
}

fn allow(action: &str) -> Policy {
    policy(&format!(r#"{{"Effect": "Allow", "Action": "{action}", "Resource": "*"}}"#))
}

fn deny(action: &str) -> Policy {
    policy(&format!(r#"{{"Effect": "Deny", "Action": "{action}", "Resource": "*"}}"#))
}

/// A resource's policy that allows everything to a principal.
fn grant(principal: &str) -> Policy {
    policy(&format!(r#"{{"Effect": "Allow", "Principal": {principal}, "Action": "*", "Resource": "*"}}"#))
}

fn user() -> Principal {
    Principal::User { arn: USER.into() }
}

fn session() -> Principal {
    Principal::Session { arn: SESSION.into(), role: ROLE.into() }
}

fn decide(principal: &Principal, policies: &Policies<'_>) -> (Decision, Layer) {
    let context = Context::of(principal);
    let request = Request { principal, action: "s3:GetObject", resource: BUCKET, context: &context };
    let outcome = evaluate(&request, policies);
    (outcome.decision, outcome.layer)
}

use Decision::{Allowed, ExplicitDeny, ImplicitDeny};

#[test]
fn an_identity_is_allowed_what_its_policies_boundary_and_session_have_in_common() {
    let (get, put, all) = (allow("s3:Get*"), allow("s3:Put*"), allow("*"));
    let none = Policies::default();
    assert_eq!(decide(&user(), &none), (ImplicitDeny, Layer::Identity));
    let own = Policies { identity: &[&put, &get], ..none };
    assert_eq!(decide(&user(), &own), (Allowed, Layer::Identity));
    assert_eq!(decide(&session(), &own), (Allowed, Layer::Identity));
    assert_eq!(decide(&user(), &Policies { boundary: Some(&put), ..own }), (ImplicitDeny, Layer::Boundary));
    assert_eq!(decide(&user(), &Policies { boundary: Some(&all), ..own }), (Allowed, Layer::Identity));
    assert_eq!(
        decide(&session(), &Policies { session: Some(&[&put]), ..own }),
        (ImplicitDeny, Layer::Session)
    );
    assert_eq!(
        decide(&session(), &Policies { session: Some(&[&put, &get]), ..own }),
        (Allowed, Layer::Identity)
    );
    assert_eq!(decide(&session(), &Policies { session: Some(&[]), ..own }), (ImplicitDeny, Layer::Session));
    let only_boundary = Policies { boundary: Some(&all), ..none };
    assert_eq!(decide(&user(), &only_boundary), (ImplicitDeny, Layer::Identity));
}

#[test]
fn a_deny_wins_wherever_it_stands() {
    let (all, no) = (allow("*"), deny("s3:*"));
    let everything = grant("\"*\"");
    let allowed = Policies {
        identity: &[&all],
        boundary: Some(&all),
        session: Some(&[&all]),
        resource: Some(&everything),
        ..Policies::default()
    };
    assert_eq!(decide(&session(), &allowed).0, Allowed);
    let deny_all =
        policy(r#"{"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}"#);
    for (policies, layer) in [
        (Policies { identity: &[&all, &no], ..allowed }, Layer::Identity),
        (Policies { boundary: Some(&no), ..allowed }, Layer::Boundary),
        (Policies { session: Some(&[&no]), ..allowed }, Layer::Session),
        (Policies { resource: Some(&deny_all), ..allowed }, Layer::Resource),
    ] {
        assert_eq!(decide(&session(), &policies), (ExplicitDeny, layer));
    }
    let root = Principal::Root { account: "123456789012".into() };
    assert_eq!(decide(&root, &Policies::default()).0, Allowed);
    let denied = Policies { resource: Some(&deny_all), ..Policies::default() };
    assert_eq!(decide(&root, &denied), (ExplicitDeny, Layer::Resource));
}

#[test]
fn a_resources_policy_is_enough_within_an_account_for_those_it_names() {
    let put = allow("s3:Put*");
    let bounded = |principal: &Principal, resource: &Policy| {
        let resource = Some(resource);
        decide(principal, &Policies { resource, boundary: Some(&put), ..Policies::default() })
    };
    let plain = |principal: &Principal, resource: &Policy| {
        decide(principal, &Policies { resource: Some(resource), ..Policies::default() })
    };
    let by_user = grant(&format!(r#"{{"AWS": "{USER}"}}"#));
    assert_eq!(plain(&user(), &by_user), (Allowed, Layer::Resource));
    assert_eq!(bounded(&user(), &by_user), (Allowed, Layer::Resource));
    assert_eq!(plain(&session(), &by_user), (ImplicitDeny, Layer::Identity));
    let by_role = grant(&format!(r#"{{"AWS": "{ROLE}"}}"#));
    assert_eq!(plain(&session(), &by_role), (Allowed, Layer::Resource));
    assert_eq!(bounded(&session(), &by_role), (ImplicitDeny, Layer::Boundary));
    let by_session = grant(&format!(r#"{{"AWS": "{SESSION}"}}"#));
    assert_eq!(bounded(&session(), &by_session), (Allowed, Layer::Resource));
    for account in [r#"{"AWS": "123456789012"}"#, r#"{"AWS": "arn:aws:iam::123456789012:root"}"#] {
        assert_eq!(plain(&user(), &grant(account)), (ImplicitDeny, Layer::Identity));
        let get = allow("s3:Get*");
        let both = Policies { resource: Some(&grant(account)), identity: &[&get], ..Policies::default() };
        assert_eq!(decide(&user(), &both).0, Allowed);
    }
    assert_eq!(plain(&Principal::Anonymous, &grant("\"*\"")).0, Allowed);
    assert_eq!(plain(&Principal::Anonymous, &by_user), (ImplicitDeny, Layer::Resource));
}

#[test]
fn between_accounts_both_sides_must_allow() {
    let get = allow("s3:Get*");
    let by_account = grant(r#"{"AWS": "123456789012"}"#);
    let elsewhere = Policies { resource_account: Some("999999999999"), ..Policies::default() };
    let identity = Policies { identity: &[&get], ..elsewhere };
    assert_eq!(decide(&user(), &identity), (ImplicitDeny, Layer::Resource));
    assert_eq!(
        decide(&user(), &Policies { resource: Some(&by_account), ..elsewhere }),
        (ImplicitDeny, Layer::Identity)
    );
    assert_eq!(decide(&user(), &Policies { resource: Some(&by_account), ..identity }).0, Allowed);
    let root = Principal::Root { account: "123456789012".into() };
    assert_eq!(decide(&root, &elsewhere), (ImplicitDeny, Layer::Resource));
    assert_eq!(decide(&root, &Policies { resource: Some(&by_account), ..elsewhere }).0, Allowed);
}

#[test]
fn a_role_is_assumed_by_those_whom_its_trust_policy_names() {
    let assume = |principal: &Principal, trusted: &str, identity: &[&Policy]| {
        let trust =
            policy(&format!(r#"{{"Effect": "Allow", "Principal": {trusted}, "Action": "sts:AssumeRole"}}"#));
        let context = Context::of(principal);
        let request = Request { principal, action: "sts:AssumeRole", resource: ROLE, context: &context };
        let policies =
            Policies { identity, resource: Some(&trust), resource_must_allow: true, ..Policies::default() };
        evaluate(&request, &policies).decision
    };
    let may = allow("sts:AssumeRole");
    let lambda = Principal::Service { name: "lambda.amazonaws.com".into() };
    assert_eq!(assume(&lambda, r#"{"Service": "lambda.amazonaws.com"}"#, &[]), Allowed);
    assert_eq!(assume(&lambda, r#"{"Service": ["ec2.amazonaws.com"]}"#, &[]), ImplicitDeny);
    assert_eq!(assume(&user(), r#"{"Service": "lambda.amazonaws.com"}"#, &[&may]), ImplicitDeny);
    assert_eq!(assume(&user(), &format!(r#"{{"AWS": "{USER}"}}"#), &[]), Allowed);
    assert_eq!(assume(&user(), r#"{"AWS": "123456789012"}"#, &[]), ImplicitDeny);
    assert_eq!(assume(&user(), r#"{"AWS": "123456789012"}"#, &[&may]), Allowed);
    let root = Principal::Root { account: "123456789012".into() };
    assert_eq!(assume(&root, r#"{"Service": "lambda.amazonaws.com"}"#, &[]), ImplicitDeny);
    assert_eq!(assume(&root, r#"{"AWS": "123456789012"}"#, &[]), Allowed);
    let web = Principal::Federated { provider: "accounts.example.com".into() };
    assert_eq!(assume(&web, r#"{"Federated": "accounts.example.com"}"#, &[]), Allowed);
}

#[test]
fn everything_but_what_is_listed() {
    let decide = |statement: &str, action: &str, resource: &str, principal: &Principal| {
        let (policy, context) = (policy(statement), Context::of(principal));
        let request = Request { principal, action, resource, context: &context };
        let policies = match statement.contains("Principal") {
            true => Policies { resource: Some(&policy), ..Policies::default() },
            false => Policies { identity: &[&policy], ..Policies::default() },
        };
        evaluate(&request, &policies).decision
    };
    let no_action = r#"{"Effect": "Allow", "NotAction": ["iam:*", "sts:*"], "Resource": "*"}"#;
    assert_eq!(decide(no_action, "S3:getobject", BUCKET, &user()), Allowed);
    assert_eq!(decide(no_action, "IAM:CreateRole", ROLE, &user()), ImplicitDeny);
    let no_resource = r#"{"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::b/*"}"#;
    assert_eq!(decide(no_resource, "s3:GetObject", BUCKET, &user()), ImplicitDeny);
    assert_eq!(decide(no_resource, "s3:GetObject", "arn:aws:s3:::c/*", &user()), Allowed);
    let nobody_else = format!(
        r#"{{"Effect": "Deny", "NotPrincipal": {{"AWS": "{ROLE}"}}, "Action": "*", "Resource": "*"}}"#
    );
    assert_eq!(decide(&nobody_else, "s3:GetObject", BUCKET, &user()), ExplicitDeny);
    assert_eq!(decide(&nobody_else, "s3:GetObject", BUCKET, &session()), ImplicitDeny);
}

#[test]
fn the_reasons_are_awss() {
    let reason = |decision, layer| Outcome { decision, layer, matched: Vec::new() }.reason("s3:GetObject");
    assert_eq!(
        reason(ImplicitDeny, Layer::Identity),
        "because no identity-based policy allows the s3:GetObject action"
    );
    assert_eq!(
        reason(ImplicitDeny, Layer::Boundary),
        "because no permissions boundary allows the s3:GetObject action"
    );
    assert_eq!(reason(ExplicitDeny, Layer::Identity), "with an explicit deny in an identity-based policy");
    assert_eq!(reason(ExplicitDeny, Layer::Session), "with an explicit deny in a session policy");
}

#[test]
fn matched_statements_are_named() {
    let (one, two) = (
        allow("s3:Put*"),
        policy(concat!(
            r#"{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"},"#,
            r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/*"}"#
        )),
    );
    let principal = user();
    let context = Context::of(&principal);
    let request =
        Request { principal: &principal, action: "s3:GetObject", resource: BUCKET, context: &context };
    let outcome = evaluate(&request, &Policies { identity: &[&one, &two], ..Policies::default() });
    assert_eq!(outcome.matched, [Matched { layer: Layer::Identity, policy: 1, statement: 1 }]);
}
