//! One environment being started.

use std::rc::Rc;

use lambent_domain::Fault;

use crate::environment::Environment;
use crate::memory::Place;
use crate::metrics::add;
use crate::pool::Pool;
use crate::process_env::InitializationType;
use crate::schedule::Look;
use crate::shard::Shard;

/// `StatusReason` of provisioned concurrency whose environments don't get through their init (`facts` 1.10).
const INIT_FAILURE: &str = "FUNCTION_ERROR_INIT_FAILURE";

/// Counted as being started, until it is dropped.
pub(crate) struct Start {
    shard: Rc<Shard>,
    pool: Rc<Pool>,
    why: InitializationType,
}

impl Start {
    pub(crate) fn begin(shard: &Rc<Shard>, pool: &Rc<Pool>, why: InitializationType) -> Self {
        let start = Start { shard: Rc::clone(shard), pool: Rc::clone(pool), why };
        start.count(1);
        start
    }

    fn count(&self, by: isize) {
        let own = match self.why {
            InitializationType::OnDemand => &self.pool.under_way,
            InitializationType::ProvisionedConcurrency => &self.pool.provisioning,
        };
        for count in [own, &self.shard.starting] {
            count.set(count.get().saturating_add_signed(by));
        }
    }

    /// Starts it in the background. The environment goes to whoever waits longest then, or to the idle ones.
    pub(crate) fn run(self, trace_id: Option<String>) {
        let place = Place::take(&self.shard, &self.pool);
        tokio::task::spawn_local(async move {
            let (shard, pool, why) = (Rc::clone(&self.shard), Rc::clone(&self.pool), self.why);
            let started = Environment::start(&shard, &pool, why, trace_id.as_deref(), place).await;
            drop(self);
            match started {
                Ok(environment) => arrived(&pool, why, environment).await,
                Err(fault) => failed(&shard, &pool, why, fault),
            }
            shard.schedule(Look::Wanting);
        });
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        self.count(-1);
    }
}

async fn arrived(pool: &Rc<Pool>, why: InitializationType, environment: Rc<Environment>) {
    if why == InitializationType::ProvisionedConcurrency && environment.is_stopped() {
        pool.note_provisioned(Some(INIT_FAILURE));
        return;
    }
    pool.release(Rc::clone(&environment));
    pool.note_provisioned(None);
    // Whom it was given to goes first. Each is measured: a parked interpreter may hold much more than those that are
    // started when none is left, and many of these would be refused for what the first one holds.
    tokio::task::yield_now().await;
    environment.measure();
}

fn failed(shard: &Rc<Shard>, pool: &Rc<Pool>, why: InitializationType, fault: Fault) {
    add(&shard.metrics.start_failures, 1);
    match why {
        InitializationType::OnDemand => pool.fail_one(fault),
        InitializationType::ProvisionedConcurrency => {
            tracing::error!(function = %pool.key.name, ?fault, "an environment could not be provisioned");
            pool.note_provisioned(Some(INIT_FAILURE));
        }
    }
}
