//! Which operations there are, from the registries: the table in the README is made of this.

use std::fmt::Write;

use lambent_api_kit::Coverage;

/// A Markdown table per service.
pub(crate) fn markdown() -> String {
    let front =
        lambent_control::SERVED_BY_THE_FRONT.iter().map(|name| Coverage { operation: name, missing: None });
    let mut lambda = lambent_control::REGISTRY.coverage();
    lambda.extend(front);
    lambda.sort_by_key(|line| line.operation);
    let s3: Vec<String> = lambent_s3::THERE.iter().map(|name| camel(name)).collect();
    let services = [
        ("Lambda", lambda),
        ("CloudWatch", lambent_cloudwatch::REGISTRY.coverage()),
        ("EventBridge", lambent_events::REGISTRY.coverage()),
        ("EventBridge Scheduler", lambent_scheduler::REGISTRY.coverage()),
        ("CloudWatch Logs", lambent_logs::REGISTRY.coverage()),
        ("IAM", lambent_iam::REGISTRY.coverage()),
        ("SNS", lambent_sns::REGISTRY.coverage()),
        ("SQS", lambent_sqs::REGISTRY.coverage()),
        ("STS", lambent_sts::REGISTRY.coverage()),
    ];
    let mut out = String::from("| service | there | operations |\n|---|---|---|\n");
    for (name, lines) in services {
        let done: Vec<&str> =
            lines.iter().filter(|line| line.missing.is_none()).map(|line| line.operation).collect();
        if name == "SQS" {
            let all = s3.len() + lambent_s3::MISSING.len();
            let _ = writeln!(out, "| S3 | {} of {all} | {} |", s3.len(), s3.join(", "));
        }
        let _ = writeln!(out, "| {name} | {} of {} | {} |", done.len(), lines.len(), done.join(", "));
    }
    out
}

/// `put_object` as the model writes it.
fn camel(name: &str) -> String {
    let capital = |word: &str| format!("{}{}", word[..1].to_ascii_uppercase(), &word[1..]);
    name.split('_').map(capital).collect()
}
