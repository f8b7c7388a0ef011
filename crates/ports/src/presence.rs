//! Whether a client is still there: for operations that wait, and should not go on for nobody.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

#[derive(Debug, Default)]
struct State {
    gone: bool,
    waiting: Vec<Waker>,
}

/// Held by whoever hears the client; dropping it says that the client is gone.
#[derive(Debug)]
pub struct Present(Arc<Mutex<State>>);

/// Completes when the client is gone.
#[derive(Clone, Debug)]
pub struct Gone(Arc<Mutex<State>>);

/// A client that is there.
pub fn present() -> (Present, Gone) {
    let state = Arc::new(Mutex::new(State::default()));
    (Present(Arc::clone(&state)), Gone(state))
}

impl Drop for Present {
    fn drop(&mut self) {
        let waiting = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.gone = true;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Gone {
    /// Whether it is now.
    pub fn is_gone(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).gone
    }
}

impl Future for Gone {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.gone {
            return Poll::Ready(());
        }
        if !state.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            state.waiting.push(context.waker().clone());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_hears_that_the_client_left() {
        let (present, gone) = present();
        let mut waiting = Box::pin(gone.clone());
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending() && !gone.is_gone());
        drop(present);
        assert!(waiting.as_mut().poll(&mut context).is_ready() && gone.is_gone());
    }
}
