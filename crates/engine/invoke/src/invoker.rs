//! The invoke port: from an invocation to an environment.

use std::rc::Rc;
use std::sync::Arc;

use async_trait::async_trait;
use lambent_domain::fault::ThrottleReason;
use lambent_domain::{Deployment, Fault, FunctionKey, Qualifier, State};
use lambent_ports::invoke::{Invocation, Invoke, InvokeReply};

use crate::metrics::{add, subtract};
use crate::run::Run;
use crate::shard::Shard;

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
    fn deployment(&self, key: &FunctionKey, qualifier: Option<&Qualifier>) -> Result<Arc<Deployment>, Fault> {
        let not_found = || {
            let qualifier = qualifier.map_or_else(|| "$LATEST".to_owned(), Qualifier::to_string);
            Fault::FunctionNotFound(key.qualified_arn(&qualifier))
        };
        let entry = self.shard.table.lookup(key).ok_or_else(not_found)?;
        if !matches!(qualifier, None | Some(Qualifier::Latest)) {
            return Err(not_found());
        }
        match (&entry.state, &entry.deployment) {
            (State::Active, Some(deployment)) => Ok(Arc::clone(deployment)),
            (State::Failed { .. }, _) => Err(Fault::NotActive { state: "Failed" }),
            _ => Err(Fault::NotActive { state: "Pending" }),
        }
    }

    async fn run(&self, invocation: Invocation, deployment: Arc<Deployment>) -> Result<InvokeReply, Fault> {
        let permit = self.shard.admission.acquire().map_err(|reason: ThrottleReason| {
            add(&self.shard.metrics.throttles, 1);
            Fault::TooManyRequests(reason)
        })?;
        let pool = self.shard.pool(&invocation.function, &deployment);
        let environment = match pool.take_idle() {
            Some(environment) => environment,
            None => pool.wait().await?,
        };
        add(&self.shard.metrics.invocations, 1);
        if !environment.is_stopped() {
            return Ok(Run::begin(&environment, invocation, permit).reply().await);
        }
        // Booting must go on when the caller gives up: a half-booted environment can't be left alone.
        let booting = tokio::task::spawn_local(async move {
            Run::boot_and_begin(&environment, invocation, permit).await.reply().await
        });
        booting.await.map_err(|error| Fault::Internal(format!("an invocation was lost: {error}")))
    }
}

#[async_trait(?Send)]
impl Invoke for Invoker {
    async fn invoke(&self, invocation: Invocation) -> Result<InvokeReply, Fault> {
        let deployment = self.deployment(&invocation.function, invocation.qualifier.as_ref())?;
        let running = Running::new(&self.shard);
        let reply = self.run(invocation, deployment).await;
        drop(running);
        reply
    }

    fn dry_run(&self, function: &FunctionKey, qualifier: Option<&Qualifier>) -> Result<(), Fault> {
        self.deployment(function, qualifier).map(|_| ())
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
