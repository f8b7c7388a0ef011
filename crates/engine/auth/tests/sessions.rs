//! Sessions and keys on a clock that the test owns: what is over, what is another's, what has changed meanwhile.

#[path = "../examples/verification/one_account.rs"]
mod one_account;

use std::collections::BTreeMap;

use lambent_ports::access::{Circumstances, Gate, Need, Refusal, Session, Sessions, Who};
use one_account::{ACCOUNT, Asked, NOW_MS, ROLE, World};

fn session(world: &World, policies: Option<Vec<String>>, role_id: &str) -> Asked {
    let who = Who::Session(Box::new(Session {
        account: lambent_domain::AccountId::parse(ACCOUNT).unwrap(),
        role_arn: ROLE.into(),
        role_id: role_id.into(),
        name: "s".into(),
        policies,
        tags: BTreeMap::new(),
        transitive: Vec::new(),
        source_identity: None,
        function_arn: None,
    }));
    let issued = world.auth.issue(&who, NOW_MS + 900_000);
    Asked::with(&issued.access_key_id, &issued.secret_access_key, Some(&issued.session_token), NOW_MS)
}

#[test]
fn a_session_is_over_when_its_time_is() {
    let world = World::new();
    let asked = session(&world, None, "AROA1");
    assert!(matches!(&*world.who(&asked).unwrap(), Who::Session(session) if session.role_arn == ROLE));
    world.clock.advance(60_000);
    assert!(world.who(&asked).is_ok());
    world.clock.advance(840_000);
    assert_eq!(world.who(&asked).unwrap_err(), Refusal::ExpiredToken);
}

#[test]
fn a_clock_may_be_off_by_five_minutes() {
    let world = World::new();
    let asked = Asked::with("AKIAROOT", "root", None, NOW_MS);
    assert!(world.who(&asked).is_ok());
    world.clock.advance(300_000);
    assert!(world.who(&asked).is_ok());
    world.clock.advance(1_000);
    assert!(matches!(world.who(&asked), Err(Refusal::Skewed { allowed_s: 300, .. })));
}

#[test]
fn a_role_may_do_what_its_policies_and_the_sessions_have_in_common_and_nothing_once_it_is_another() {
    let world = World::new();
    let may = |asked: &Asked, action: &'static str| {
        let who = world.who(asked).unwrap();
        world.auth.may(
            &who,
            &Circumstances::default(),
            &Need::new(action, "arn:aws:sqs:us-east-1:123456789012:q"),
        )
    };
    let whole = session(&world, None, "AROA1");
    assert_eq!(may(&whole, "sqs:SendMessage"), Ok(()));
    let Err(Refusal::Denied(text)) = may(&whole, "sqs:DeleteQueue") else { panic!("it may not") };
    assert_eq!(
        text,
        "User: arn:aws:sts::123456789012:assumed-role/r/s is not authorized to perform: sqs:deletequeue on resource: arn:aws:sqs:us-east-1:123456789012:q because no identity-based policy allows the sqs:deletequeue action"
    );
    let less =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sqs:Get*","Resource":"*"}}"#;
    let less = session(&world, Some(vec![less.to_owned()]), "AROA1");
    assert!(matches!(may(&less, "sqs:SendMessage"), Err(Refusal::Denied(_))));
    let unreadable = session(&world, Some(vec!["no policy".to_owned()]), "AROA1");
    assert!(matches!(may(&unreadable, "sqs:SendMessage"), Err(Refusal::Denied(_))));
    assert!(matches!(may(&session(&world, None, "AROA0"), "sqs:SendMessage"), Err(Refusal::Denied(_))));
}

#[test]
fn a_policy_that_cant_be_read_lets_only_the_account_itself_in() {
    let world = World::new();
    let need = Need {
        policy: Some("{".into()),
        ..Need::new("sqs:SendMessage", "arn:aws:sqs:us-east-1:123456789012:q")
    };
    let root = world.who(&Asked::with("AKIAROOT", "root", None, NOW_MS)).unwrap();
    assert_eq!(world.auth.may(&root, &Circumstances::default(), &need), Ok(()));
    let role = world.who(&session(&world, None, "AROA1")).unwrap();
    assert!(matches!(world.auth.may(&role, &Circumstances::default(), &need), Err(Refusal::Denied(_))));
    assert!(matches!(
        world.auth.may(&Who::Anonymous, &Circumstances::default(), &need),
        Err(Refusal::Denied(_))
    ));
}

#[test]
fn only_services_that_a_role_trusts_may_assume_it() {
    let world = World::new();
    assert!(world.auth.trusts(ROLE, "lambda.amazonaws.com", &[]));
    assert!(!world.auth.trusts(ROLE, "ec2.amazonaws.com", &[]));
    assert!(!world.auth.trusts("arn:aws:iam::123456789012:role/none", "lambda.amazonaws.com", &[]));
    assert!(!world.auth.trusts("arn:aws:iam::123456789012:role/other/r", "lambda.amazonaws.com", &[]));
}

#[test]
fn a_signature_is_of_its_key_alone() {
    let world = World::new();
    let right = Asked::with("AKIAROOT", "root", None, NOW_MS);
    assert!(matches!(&*world.who(&right).unwrap(), Who::Root { temporary: false, .. }));
    let wrong = Asked::with("AKIAROOT", "toor", None, NOW_MS);
    assert!(matches!(world.who(&wrong), Err(Refusal::Mismatch { .. })));
    let unknown = Asked::with("AKIANONE", "root", None, NOW_MS);
    assert_eq!(world.who(&unknown).unwrap_err(), Refusal::UnknownKey("AKIANONE".into()));
    let token = session(&world, None, "AROA1");
    let taken = Asked::with("AKIAROOT", "root", token.token(), NOW_MS);
    assert_eq!(world.who(&taken).unwrap_err(), Refusal::InvalidToken);
}
