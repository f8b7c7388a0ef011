//! One file per operation; operations that read, set and delete one setting share a file where they share its rules.

mod aliases;
mod create_alias;
mod create_event_source_mapping;
mod create_function;
mod delete_function;
mod event_invoke_configs;
mod event_source_mappings;
mod function_concurrency;
mod get_account_settings;
mod get_function;
mod get_function_configuration;
mod list_aliases;
mod list_functions;
mod list_versions_by_function;
mod permissions;
mod provisioned_concurrency;
mod publish_version;
mod put_event_invoke_config;
mod put_provisioned_concurrency_config;
mod recursion_config;
mod resource_policies;
mod runtime_management_config;
mod tags;
mod update_alias;
mod update_function_code;
mod update_function_configuration;
