//! One file per operation, a message's batch with its single form; tags, permissions and move tasks share theirs.

mod change_message_visibility;
mod create_queue;
mod delete_message;
mod delete_queue;
mod get_queue_attributes;
mod get_queue_url;
mod list_dead_letter_source_queues;
mod list_queues;
mod message_move_tasks;
mod permissions;
mod purge_queue;
mod receive_message;
mod send_message;
mod set_queue_attributes;
mod tags;
