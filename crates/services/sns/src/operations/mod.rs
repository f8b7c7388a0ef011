//! One file per operation, or per kind of thing that several are about.

mod attributes;
mod confirm_subscription;
mod create_topic;
mod delete_topic;
mod lists;
mod nothing_there;
mod permissions;
mod publish;
mod publish_batch;
mod subscribe;
mod tags;
mod unsubscribe;
