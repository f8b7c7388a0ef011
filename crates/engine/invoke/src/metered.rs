//! An invoke among the figures: from its permit until that is given back.

use std::fmt;
use std::sync::Arc;

use lambent_ports::meter::{Begun, Drawn, Meter, Ticket};

/// A guard, as the permit that it goes with.
pub(crate) struct Metered {
    meter: Arc<dyn Meter>,
    ticket: Ticket,
    drawn: Drawn,
}

impl Metered {
    pub(crate) fn begin(meter: &Arc<dyn Meter>, begun: Begun<'_>) -> Self {
        Metered { meter: Arc::clone(meter), ticket: meter.begun(begun), drawn: begun.drawn }
    }

    pub(crate) fn ticket(&self) -> Ticket {
        self.ticket
    }
}

impl fmt::Debug for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Metered").field(&self.ticket).finish()
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        self.meter.released(self.ticket, self.drawn);
    }
}
