//! `/_lambent/metrics`, in the OpenMetrics text format. The numbers are kept where they arise; this reads them.

use std::fmt::Write;
use std::sync::Arc;

use lambent_cloudwatch::CloudWatch;
use lambent_delivery::DeliveryMetrics;
use lambent_invoke::{BOUNDS_US, InvokeMetrics, PHASES};
use lambent_mappings::MappingMetrics;
use lambent_queue_sqlite::SqliteQueue;

pub(crate) struct MetricsPage {
    pub(crate) invoke: Arc<InvokeMetrics>,
    pub(crate) delivery: Arc<DeliveryMetrics>,
    pub(crate) mappings: Arc<MappingMetrics>,
    pub(crate) queue: Arc<SqliteQueue>,
    pub(crate) cloudwatch: Arc<CloudWatch>,
}

impl MetricsPage {
    pub(crate) fn render(&self) -> String {
        let now = self.invoke.snapshot();
        let events = self.delivery.snapshot();
        let mapped = self.mappings.snapshot();
        let counters = [
            ("lambent_invocations", "Invokes that reached a function", now.invocations),
            ("lambent_errors", "Invokes that ended with a function error", now.errors),
            ("lambent_throttles", "Invokes refused for lack of concurrency", now.throttles),
            ("lambent_recursive_invocations_dropped", "Loops that were stopped", now.loops_stopped),
            ("lambent_cold_starts", "Sandboxes started", now.cold_starts),
            ("lambent_evictions", "Idle environments that made room for others", now.evictions),
            ("lambent_start_failures", "Sandboxes that could not be started", now.start_failures),
            ("lambent_duration_microseconds", "Time spent in functions", now.duration_us),
            ("lambent_log_events", "Log events written", now.log_events),
            ("lambent_log_events_dropped", "Log events that could not be written", now.log_events_dropped),
            ("lambent_async_events_received", "Asynchronous invokes accepted", events.received),
            ("lambent_async_attempts", "Attempts at asynchronous invokes", events.attempts),
            ("lambent_async_event_age_milliseconds", "Age of events, summed over attempts", events.age_ms),
            ("lambent_async_events_dropped", "Events that ended without success", events.dropped),
            ("lambent_queue_commits", "Groups of changes to queues written to disk", self.queue.commits()),
            ("lambent_metrics_dropped", "Metric data that could not be kept", self.cloudwatch.dropped()),
            ("lambent_dead_letter_errors", "Dead letters that could not be sent", events.dead_letter_errors),
            (
                "lambent_destination_delivery_failures",
                "Records that could not be sent to their destination",
                events.destination_delivery_failures,
            ),
            ("lambent_mapping_receives", "Requests to queues for messages", mapped.receives),
            ("lambent_mapping_events_polled", "Messages received for functions", mapped.polled),
            (
                "lambent_mapping_events_filtered_out",
                "Messages that no filter let through",
                mapped.filtered_out,
            ),
            ("lambent_mapping_events_invoked", "Messages that functions were called with", mapped.invoked),
            (
                "lambent_mapping_events_failed",
                "Messages that functions did not deal with",
                mapped.failed_invoke,
            ),
            ("lambent_mapping_events_deleted", "Messages deleted after their functions", mapped.deleted),
        ];
        let gauges = [
            ("lambent_concurrent_executions", "Invokes running now", now.concurrent_executions),
            ("lambent_environments", "Execution environments alive now", now.environments),
            (
                "lambent_environments_memory_mebibytes",
                "Memory that environments are charged",
                now.memory_used_mb,
            ),
            ("lambent_environments_memory_limit_mebibytes", "Memory that they may use", now.memory_budget_mb),
            ("lambent_mapping_batches", "Batches of messages that functions have now", mapped.running),
            ("lambent_async_running", "Asynchronous invokes running now", events.running),
        ];
        let mut page = String::new();
        for (name, help, value) in counters {
            let _ = writeln!(page, "# HELP {name} {help}.\n# TYPE {name} counter\n{name}_total {value}");
        }
        for (name, help, value) in gauges {
            let _ = writeln!(page, "# HELP {name} {help}.\n# TYPE {name} gauge\n{name} {value}");
        }
        self.tiers(&mut page);
        self.phases(&mut page);
        self.functions(&mut page);
        page.push_str("# EOF\n");
        page
    }

    fn tiers(&self, page: &mut String) {
        let tiers = self.invoke.tiers();
        let _ =
            writeln!(page, "# HELP lambent_starts Processes started, by how.\n# TYPE lambent_starts counter");
        for (tier, count) in tiers.counts() {
            let _ = writeln!(page, "lambent_starts_total{{tier=\"{tier}\"}} {count}");
        }
        const NAME: &str = "lambent_unparked_starts";
        let _ = writeln!(
            page,
            "# HELP {NAME} Processes that had not been waiting, by why.\n# TYPE {NAME} counter"
        );
        for (reason, count) in tiers.reasons() {
            let _ = writeln!(page, "{NAME}_total{{reason=\"{reason}\"}} {count}");
        }
    }

    /// What CloudWatch has of each function, summed since the start.
    fn functions(&self, page: &mut String) {
        for ((metric, unit), sums) in self.cloudwatch.function_totals() {
            let unit = if unit == "Milliseconds" { "_milliseconds" } else { "" };
            let name = format!("lambent_function{}{unit}", snake_case(&metric));
            let _ = writeln!(
                page,
                "# HELP {name} {metric} of functions, as in CloudWatch.\n# TYPE {name} counter"
            );
            for (of, sum) in sums {
                // Names are letters, digits, hyphens and underscores: nothing to escape.
                let _ = match of {
                    Some((scope, function)) => writeln!(
                        page,
                        "{name}_total{{account=\"{}\",region=\"{}\",function=\"{function}\"}} {sum}",
                        scope.account, scope.region
                    ),
                    None => writeln!(page, "{name}_total{{account=\"\",region=\"\",function=\"\"}} {sum}"),
                };
            }
        }
    }

    fn phases(&self, page: &mut String) {
        const NAME: &str = "lambent_cold_start_phase_seconds";
        let _ = writeln!(page, "# HELP {NAME} Where the time of a cold start goes.\n# TYPE {NAME} histogram");
        for (phase, label) in PHASES {
            let histogram = self.invoke.phases().of(phase);
            let counts = histogram.cumulative();
            let bounds = BOUNDS_US.iter().map(|bound| (*bound as f64 / 1e6).to_string());
            for (bound, count) in bounds.chain(["+Inf".into()]).zip(&counts) {
                let _ = writeln!(page, "{NAME}_bucket{{phase=\"{label}\",le=\"{bound}\"}} {count}");
            }
            let (sum, count) = (histogram.sum_us() as f64 / 1e6, counts.last().unwrap_or(&0));
            let _ = writeln!(page, "{NAME}_sum{{phase=\"{label}\"}} {sum}");
            let _ = writeln!(page, "{NAME}_count{{phase=\"{label}\"}} {count}");
        }
    }
}

/// `_of_this_form`.
fn snake_case(name: &str) -> String {
    name.chars().fold(String::new(), |mut snake, letter| {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
        snake
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_of_metrics_are_written_as_they_are_scraped() {
        assert_eq!(super::snake_case("AsyncEventAge"), "_async_event_age");
    }
}
