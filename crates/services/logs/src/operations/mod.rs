//! One file per operation; the small ones on groups share theirs.

mod describe_log_groups;
mod describe_log_streams;
mod filter_log_events;
mod get_log_events;
mod groups;
mod put_log_events;
mod retention;
mod streams;
mod tags;
