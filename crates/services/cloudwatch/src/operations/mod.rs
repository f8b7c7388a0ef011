//! One operation each.

mod get_metric_data;
mod get_metric_statistics;
mod list_metrics;
mod put_metric_data;
