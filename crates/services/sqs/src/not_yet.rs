//! Operations that exist in AWS's API and not here yet, each with what a caller is told.

use lambent_api_kit::NotYet;

const MOVE: &str = "receive from the dead-letter queue and send to its source meanwhile";

pub(crate) const NOT_YET: &[NotYet] = &[
    NotYet { name: "CancelMessageMoveTask", reason: MOVE },
    NotYet { name: "ListMessageMoveTasks", reason: MOVE },
    NotYet { name: "StartMessageMoveTask", reason: MOVE },
];
