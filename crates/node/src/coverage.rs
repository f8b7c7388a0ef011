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
    let services = [
        ("Lambda", lambda),
        ("CloudWatch", lambent_cloudwatch::REGISTRY.coverage()),
        ("EventBridge", lambent_events::REGISTRY.coverage()),
        ("EventBridge Scheduler", lambent_scheduler::REGISTRY.coverage()),
        ("CloudWatch Logs", lambent_logs::REGISTRY.coverage()),
        ("SNS", lambent_sns::REGISTRY.coverage()),
        ("SQS", lambent_sqs::REGISTRY.coverage()),
        ("STS", lambent_sts::REGISTRY.coverage()),
    ];
    let mut out = String::from("| service | there | operations |\n|---|---|---|\n");
    for (name, lines) in services {
        let done: Vec<&str> =
            lines.iter().filter(|line| line.missing.is_none()).map(|line| line.operation).collect();
        let _ = writeln!(out, "| {name} | {} of {} | {} |", done.len(), lines.len(), done.join(", "));
    }
    out
}
