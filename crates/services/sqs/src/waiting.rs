//! Receives that wait: woken when there may be something for them, by a message or by the time at which one is due; in
//! between they cost nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use lambent_ports::message_store::{QueueId, Receive, Received};
use lambent_ports::presence::Gone;
use tokio::sync::{Notify, watch};

use crate::{Sqs, SqsFault};

/// Who waits, by queue.
pub(crate) struct Waiting {
    queues: Mutex<HashMap<QueueId, Weak<Notify>>>,
    stop: watch::Receiver<bool>,
}

impl Waiting {
    pub(crate) fn new(stop: watch::Receiver<bool>) -> Self {
        Waiting { queues: Mutex::default(), stop }
    }

    /// Turns true when the server stops.
    pub(crate) fn stopped(&self) -> watch::Receiver<bool> {
        self.stop.clone()
    }

    fn at(&self, queue: QueueId) -> Arc<Notify> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = queues.get(&queue).and_then(Weak::upgrade) {
            return known;
        }
        // Nobody waits at these any more.
        queues.retain(|_, known| known.strong_count() > 0);
        let new = Arc::new(Notify::new());
        queues.insert(queue, Arc::downgrade(&new));
        new
    }

    /// There may be something for `count` receives that wait.
    pub(crate) fn wake(&self, queue: QueueId, count: usize) {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = queues.get(&queue).and_then(Weak::upgrade) {
            (0..count).for_each(|_| known.notify_one());
        }
    }
}

impl Waiting {
    /// Something else is true of the queue.
    pub(crate) fn wake_all(&self, queue: QueueId) {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = queues.get(&queue).and_then(Weak::upgrade) {
            known.notify_waiters();
        }
    }
}

/// How a receive is to be done, again and again while it waits.
pub(crate) struct Wait {
    pub(crate) queue: QueueId,
    /// Until when there may be nothing.
    pub(crate) until_ms: u64,
    pub(crate) gone: Gone,
}

impl Sqs {
    /// Receives what is there, or what comes in time. `receive` is made anew for each attempt: leases begin with it.
    pub(crate) async fn receive_waiting(
        &self,
        wait: Wait,
        receive: impl Fn(u64) -> Receive + Send,
    ) -> Result<Vec<Received>, SqsFault> {
        let notify = self.waiting.at(wait.queue);
        let mut stop = self.waiting.stop.clone();
        loop {
            // Registered before looking, so that nothing comes unseen in between.
            let notified = notify.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            let now_ms = self.clock.now_ms();
            let attempt = receive(now_ms);
            let (max, dead_letters) = (attempt.max, attempt.dead_letters.as_ref().map(|dead| dead.queue));
            let taken = self.store.receive(wait.queue, attempt, now_ms).await?;
            if let Some(queue) = dead_letters.filter(|_| taken.dead > 0) {
                self.waiting.wake(queue, taken.dead);
            }
            if !taken.messages.is_empty() {
                // There may be more, for somebody else.
                if taken.messages.len() == max {
                    notify.notify_one();
                }
                return Ok(taken.messages);
            }
            if now_ms >= wait.until_ms || wait.gone.is_gone() || *stop.borrow() {
                // Somebody else has to look at the time when the next message is due.
                notify.notify_one();
                return Ok(Vec::new());
            }
            let due_ms = self.store.next_due_ms(wait.queue).await?.unwrap_or(u64::MAX);
            let pause_ms = due_ms.clamp(now_ms + 1, wait.until_ms.max(now_ms + 1)) - now_ms;
            tokio::select! {
                () = notified => {}
                () = tokio::time::sleep(Duration::from_millis(pause_ms)) => {}
                () = wait.gone.clone() => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        }
    }
}
