//! What a decision costs: a function's role with two attached policies and an inline one, asked for what the last statement
//! allows. Prints the median.
#![allow(clippy::print_stdout, reason = "it reports")]

use std::time::Instant;

use lambent_iam_policy::{Context, Policies, Policy, Principal, Request, evaluate};

const ROUNDS: usize = 2_000;
const BATCH: u32 = 50;
const LIMIT_US: f64 = 20.0;

const LOGS: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*",
    "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]}]}"#;
const QUEUE: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*",
    "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "logs:CreateLogGroup",
        "logs:CreateLogStream", "logs:PutLogEvents"]}]}"#;
const OWN: &str = r#"{"Version": "2012-10-17", "Statement": [
    {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::private/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
    {"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
        "Resource": "arn:aws:dynamodb:*:123456789012:table/orders*"},
    {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::uploads/${aws:PrincipalTag/team}/*",
        "Condition": {"StringEquals": {"aws:PrincipalAccount": "123456789012"}, "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}]}"#;

fn main() {
    let documents: Vec<Policy> =
        [LOGS, QUEUE, OWN].map(|text| Policy::parse(text).expect("it is one")).into();
    let identity: Vec<&Policy> = documents.iter().collect();
    let principal = Principal::Session {
        arn: "arn:aws:sts::123456789012:assumed-role/worker/orders".into(),
        role: "arn:aws:iam::123456789012:role/worker".into(),
    };
    let mut context = Context::of(&principal);
    for (key, value) in
        [("aws:SourceIp", "10.1.2.3"), ("aws:PrincipalTag/team", "red"), ("aws:SecureTransport", "true")]
    {
        context.set(key, value);
    }
    let request = Request {
        principal: &principal,
        action: "s3:PutObject",
        resource: "arn:aws:s3:::uploads/red/2026/photo.jpg",
        context: &context,
    };
    let policies = Policies { identity: &identity, ..Policies::default() };
    let mut times_us: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            for _ in 0..BATCH {
                assert!(std::hint::black_box(evaluate(&request, &policies)).allowed());
            }
            begun.elapsed().as_secs_f64() * 1e6 / f64::from(BATCH)
        })
        .collect();
    times_us.sort_by(f64::total_cmp);
    let (median, p99) = (times_us[ROUNDS / 2], times_us[ROUNDS * 99 / 100]);
    println!("policy evaluation, a function's role: {median:.1} µs (p99 {p99:.1}), to be <= {LIMIT_US} µs");
}
