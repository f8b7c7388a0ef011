//! From any thread to the shard's: invokes that no client's socket waits for.

use std::rc::Rc;

use async_trait::async_trait;
use lambent_domain::Fault;
use lambent_ports::invoke::{Invocation, Invoke, InvokeFromElsewhere, InvokeReply};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Invokes on their way to the shard; more wait at the door. Who sends them bounds how many run.
const MAX_CROSSING: usize = 256;

type Crossing = (Invocation, oneshot::Sender<Result<InvokeReply, Fault>>);

/// The near end.
pub(crate) struct InvokeHandle(mpsc::Sender<Crossing>);

/// The far end, for the shard's thread.
pub(crate) struct InvokeArrivals(mpsc::Receiver<Crossing>);

/// Both ends.
pub(crate) fn bridge() -> (InvokeHandle, InvokeArrivals) {
    let (sender, receiver) = mpsc::channel(MAX_CROSSING);
    (InvokeHandle(sender), InvokeArrivals(receiver))
}

#[async_trait]
impl InvokeFromElsewhere for InvokeHandle {
    async fn invoke(&self, invocation: Invocation) -> Result<InvokeReply, Fault> {
        let (answer, answered) = oneshot::channel();
        let stopping = || Fault::Internal("the server is stopping".into());
        self.0.send((invocation, answer)).await.map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())?
    }
}

impl InvokeArrivals {
    /// Runs what arrives, until it is dropped. Must run in a `LocalSet`.
    pub(crate) async fn run(mut self, invoke: Rc<dyn Invoke>) {
        let mut running = JoinSet::new();
        while let Some((invocation, answer)) = self.0.recv().await {
            let invoke = Rc::clone(&invoke);
            running.spawn_local(async move {
                // Whoever waited may have gone; the function ran all the same.
                let _ = answer.send(invoke.invoke(invocation).await);
            });
            while running.try_join_next().is_some() {}
        }
    }
}
