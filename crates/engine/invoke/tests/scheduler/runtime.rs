//! Runtimes that do at their Runtime API what a test tells them to, on the test's own thread: what happens, happens in
//! the order that the test says.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use bytes::Bytes;
use lambent_domain::RequestId;
use lambent_ports::runtime_api::{Refused, RuntimeChannel, RuntimeEvent, RuntimeEvents, RuntimeFront};
use lambent_sandbox_fake::FakeHost;

/// What the process of an environment would do.
pub struct Runtime {
    /// Of its sandbox.
    pub id: String,
    events: Rc<dyn RuntimeEvents>,
    polling: Cell<bool>,
    running: RefCell<Option<RuntimeEvent>>,
    /// Payloads that it was given, in order.
    pub given: RefCell<Vec<Bytes>>,
}

impl Runtime {
    /// `GET next`. The first one ends the init.
    pub fn poll(&self) -> Result<(), Refused> {
        self.polling.set(true);
        let result = self.events.next_requested(None);
        if result.is_err() {
            self.polling.set(false);
        }
        result
    }

    /// The request that it works on.
    pub fn running(&self) -> Option<RequestId> {
        self.running.borrow().as_ref().map(|event| event.request_id)
    }

    pub fn payload(&self) -> Option<Bytes> {
        self.running.borrow().as_ref().map(|event| event.payload.clone())
    }

    /// Answers with what it was given, and asks for more.
    pub fn answer(&self) {
        self.answer_only();
        self.poll().unwrap();
    }

    /// Answers, and does not come back for more.
    pub fn answer_only(&self) {
        let event = self.running.take().expect("the runtime has something to answer");
        self.events.response(event.request_id, Some(event.payload)).unwrap();
    }

    /// Posts a response of any kind: what AWS's Runtime API would say to it.
    pub fn respond(&self, request_id: RequestId) -> Result<(), Refused> {
        self.events.response(request_id, Some(Bytes::from_static(b"\"late\"")))
    }

    /// Reports an error, and asks for more.
    pub fn fail(&self) {
        let event = self.running.take().expect("the runtime has something to fail at");
        self.events.error(event.request_id, Some("Sad"), Bytes::from_static(b"{}")).unwrap();
        self.poll().unwrap();
    }

    pub fn fail_init(&self) {
        self.events.init_error(Some("Runtime.ImportModuleError"), Bytes::from_static(b"{}")).unwrap();
    }
}

impl RuntimeChannel for Runtime {
    fn deliver(&self, event: &RuntimeEvent) -> bool {
        if !self.polling.take() {
            return false;
        }
        let before = self.running.replace(Some(event.clone()));
        assert!(before.is_none(), "an environment was given two requests at a time");
        self.given.borrow_mut().push(event.payload.clone());
        true
    }

    fn reset(&self) {
        self.polling.set(false);
        self.running.take();
    }
}

/// Every Runtime API, in the order in which sandboxes were made.
pub struct Front {
    pub host: FakeHost,
    pub runtimes: RefCell<Vec<Rc<Runtime>>>,
}

impl RuntimeFront for Front {
    fn serve(&self, _: OwnedFd, events: Rc<dyn RuntimeEvents>) -> io::Result<Rc<dyn RuntimeChannel>> {
        let mut runtimes = self.runtimes.borrow_mut();
        // Made and served in one go: the sandbox that nobody knows yet is this one's.
        let mut ids = self.host.sandboxes().into_iter().map(|sandbox| sandbox.spec.id);
        let id = ids.find(|id| runtimes.iter().all(|known| known.id != *id));
        let runtime = Rc::new(Runtime {
            id: id.expect("a new sandbox"),
            events,
            polling: Cell::new(false),
            running: RefCell::default(),
            given: RefCell::default(),
        });
        runtimes.push(Rc::clone(&runtime));
        Ok(runtime)
    }
}
