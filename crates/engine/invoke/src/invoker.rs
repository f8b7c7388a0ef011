//! The invoke port: from an invocation to an environment.

use std::rc::Rc;
use std::sync::Arc;

use async_trait::async_trait;
use lambent_domain::{Deployment, Fault, Function, FunctionKey, Qualifier, State, VersionNumber};
use lambent_ports::invoke::{Invocation, Invoke, InvokeReply};
use lambent_ports::meter::Begun;

use crate::admission::Permit;
use crate::metered::Metered;
use crate::metrics::{add, subtract};
use crate::run::Run;
use crate::shard::{Shard, provisioned_by_deployment};
use crate::trace;

/// A function as it was when the request came, and what of it runs the request.
struct Resolved {
    function: Arc<Function>,
    deployment: Arc<Deployment>,
}

/// Runs functions on one shard.
#[derive(Clone)]
pub struct Invoker {
    shard: Rc<Shard>,
}

impl Invoker {
    /// An invoker on this thread's shard.
    pub fn new(shard: Rc<Shard>) -> Self {
        Invoker { shard }
    }

    /// What the name and qualifier stand for right now. AWS prints `:$LATEST` where no qualifier was given (recorded).
    fn resolve(&self, key: &FunctionKey, qualifier: Option<&Qualifier>) -> Result<Resolved, Fault> {
        let not_found = || {
            let qualifier = qualifier.map_or_else(|| "$LATEST".to_owned(), Qualifier::to_string);
            Fault::FunctionNotFound(key.qualified_arn(&qualifier))
        };
        let function = self.shard.table.lookup(key).ok_or_else(not_found)?;
        let version = function.resolve(qualifier, || self.shard.draw()).ok_or_else(not_found)?;
        match (&version.state, &version.deployed) {
            (State::Active, Some(deployment)) => {
                let deployment = Arc::clone(deployment);
                Ok(Resolved { function, deployment })
            }
            (State::Failed { .. }, _) => Err(Fault::NotActive { state: "Failed" }),
            _ => Err(Fault::NotActive { state: "Pending" }),
        }
    }

    fn permit(
        &self,
        Resolved { function, deployment }: &Resolved,
        qualifier: Option<&Qualifier>,
    ) -> Result<Permit, Fault> {
        let provisioned = if function.provisioned.is_empty() {
            0
        } else {
            let counts = provisioned_by_deployment(function);
            counts.iter().find(|(known, _)| known.id == deployment.id).map_or(0, |(_, count)| *count as u32)
        };
        let claimed = self.shard.table.claimed(&function.key.scope);
        let acquired = self.shard.admission.acquire(function, deployment.id, provisioned, claimed);
        let mut permit = acquired.map_err(|reason| {
            add(&self.shard.metrics.throttles, 1);
            self.throttled(&function.key, qualifier);
            Fault::TooManyRequests(reason)
        })?;
        let begun = Begun {
            function: &function.key,
            qualifier,
            drawn_version: drawn_version(function, deployment, qualifier),
            drawn: permit.drawn(provisioned),
            claimed,
            now_ms: self.shard.clock.now_ms(),
        };
        permit.meter(Metered::begin(&self.shard.meter, begun));
        Ok(permit)
    }

    fn throttled(&self, function: &FunctionKey, qualifier: Option<&Qualifier>) {
        self.shard.meter.throttled(function, qualifier, self.shard.clock.now_ms());
    }

    async fn run(&self, mut invocation: Invocation, resolved: Resolved) -> Result<InvokeReply, Fault> {
        if trace::is_loop(&invocation.trace_id, &resolved.function) {
            let (function, now_ms) = (&invocation.function, self.shard.clock.now_ms());
            add(&self.shard.metrics.loops_stopped, 1);
            self.shard.meter.add_of_function(function, "RecursiveInvocationsDropped", "Count", 1.0, now_ms);
            return Err(Fault::RecursiveInvocation);
        }
        let permit = self.permit(&resolved, invocation.qualifier.as_ref())?;
        trace::call(&mut invocation.trace_id, &invocation.function);
        let deployment = resolved.deployment;
        let pool = self.shard.pool(&invocation.function, &deployment);
        trace::pass_on(&mut invocation.trace_id, &self.shard, &pool);
        let environment = match pool.take_idle() {
            Some(environment) => environment,
            None => pool.wait(&invocation.trace_id).await.inspect_err(|fault| {
                if let Fault::TooManyRequests(_) = fault {
                    self.throttled(&invocation.function, invocation.qualifier.as_ref());
                }
            })?,
        };
        add(&self.shard.metrics.invocations, 1);
        if !environment.is_stopped() {
            return Ok(Run::begin(&environment, invocation, permit).reply().await);
        }
        // Booting must go on when the caller gives up: a half-booted environment can't be left alone.
        let booting = tokio::task::spawn_local(async move {
            environment.pool.crash_loop_over().await;
            Run::boot_and_begin(&environment, invocation, permit).await.reply().await
        });
        booting.await.map_err(|error| Fault::Internal(format!("an invocation was lost: {error}")))
    }
}

#[async_trait(?Send)]
impl Invoke for Invoker {
    async fn invoke(&self, invocation: Invocation) -> Result<InvokeReply, Fault> {
        let resolved = self.resolve(&invocation.function, invocation.qualifier.as_ref())?;
        let running = Running::new(&self.shard);
        let reply = self.run(invocation, resolved).await;
        drop(running);
        reply
    }

    fn dry_run(&self, function: &FunctionKey, qualifier: Option<&Qualifier>) -> Result<(), Fault> {
        self.resolve(function, qualifier).map(|_| ())
    }
}

/// What an alias with weights drew; nothing where there was no choice.
fn drawn_version(function: &Function, deployment: &Deployment, qualifier: Option<&Qualifier>) -> Option<u64> {
    let Some(Qualifier::Alias(name)) = qualifier else { return None };
    function.aliases.get(name)?.weighted?;
    match deployment.version {
        VersionNumber::Published(number) => Some(number),
        VersionNumber::Latest => None,
    }
}

/// Keeps the gauge of concurrent executions.
struct Running(Rc<Shard>);

impl Running {
    fn new(shard: &Rc<Shard>) -> Self {
        add(&shard.metrics.concurrent_executions, 1);
        Running(Rc::clone(shard))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        subtract(&self.0.metrics.concurrent_executions, 1);
    }
}
