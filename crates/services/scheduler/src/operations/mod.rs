//! The operations, a family in each file.

mod groups;
mod schedules;
mod tags;
mod target;
mod write_schedule;
