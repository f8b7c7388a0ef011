//! The one place that knows what a function is made of.

use std::sync::Arc;

use lambent_domain::scaling::Provisioned;
use lambent_domain::{
    Configuration, Deployment, Function, FunctionKey, Qualifier, RevisionId, Secrets, TimestampMs,
};
use lambent_ports::suites::store as suite;

pub const TIMEOUT_S: u32 = 3;

pub fn key(name: &str) -> FunctionKey {
    suite::function(name).key
}

/// An active function; every number is another deployment, also of another function.
pub fn function(name: &str, number: u8) -> Arc<Function> {
    let mut function = suite::function(name);
    let configuration = Configuration {
        timeout_s: TIMEOUT_S,
        layers: Vec::new(),
        ..Configuration::clone(&function.latest.configuration)
    };
    function.latest.configuration = Arc::new(configuration);
    function.latest.deployed = Some(Arc::new(Deployment {
        id: RevisionId::from_random([number; 16]),
        version: function.latest.number,
        configuration: Arc::clone(&function.latest.configuration),
        code: function.latest.code,
    }));
    Arc::new(function)
}

/// The same with one environment variable.
pub fn with_variable(name: &str, number: u8, variable: &str) -> Arc<Function> {
    let mut function = Function::clone(&function(name, number));
    let variables = Secrets([(variable.to_owned(), "1".to_owned())].into());
    let configuration = Configuration {
        environment: Some(variables),
        ..Configuration::clone(&function.latest.configuration)
    };
    function.latest.configuration = Arc::new(configuration);
    let deployed = function.latest.deployed.as_deref().unwrap();
    let configuration = Arc::clone(&function.latest.configuration);
    function.latest.deployed = Some(Arc::new(Deployment { configuration, ..Deployment::clone(deployed) }));
    Arc::new(function)
}

/// The same with provisioned concurrency for what it has. AWS has it for published versions only; here it makes no difference.
pub fn provisioned(name: &str, number: u8, requested: u32) -> Arc<Function> {
    let mut function = Function::clone(&function(name, number));
    function.provisioned.insert(Qualifier::Latest, Provisioned { requested, modified: TimestampMs(0) });
    Arc::new(function)
}
