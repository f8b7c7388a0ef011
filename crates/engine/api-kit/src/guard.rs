//! What each operation takes: its IAM actions and the resources they are on. A service has one table of them
//! ([`guards!`](crate::guards)); an operation that is not in it does not compile.

use lambent_kit::smithy::Operation;
use lambent_ports::access::{Authority, Need, Refusal};

use crate::registry::Context;

/// What an operation takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing, not even a signature: links that are their own proof.
    Open,
    /// A signature.
    Signed,
    /// All of these.
    All(Vec<Need>),
}

impl From<Need> for Needs {
    fn from(need: Need) -> Self {
        Needs::All(vec![need])
    }
}

impl From<Vec<Need>> for Needs {
    fn from(needs: Vec<Need>) -> Self {
        Needs::All(needs)
    }
}

/// What one operation of a service takes.
pub trait Guard<O: Operation>: Guarded {
    /// By its input.
    fn needs(&self, context: &Context, input: &O::Input) -> Needs;
}

/// What a service knows of its resources.
pub trait Guarded: Send + Sync + 'static {
    /// The service's signing name.
    const SIGNING_NAME: &'static str;

    /// Adds the resource's own policy and `aws:ResourceTag/…`, where it has some.
    fn complete(&self, _context: &Context, _need: &mut Need) {}
}

/// Whether a request may do what its operation does.
pub(crate) fn admit<S: Guard<O>, O: Operation>(
    service: &S,
    context: &Context,
    input: &O::Input,
    authority: &Authority,
) -> Result<(), Refusal> {
    match service.needs(context, input) {
        Needs::Open => Ok(()),
        Needs::Signed if authority.is_anonymous() => Err(Refusal::Missing),
        Needs::Signed => Ok(()),
        Needs::All(needs) => {
            for mut need in needs {
                service.complete(context, &mut need);
                authority.check(&need)?;
            }
            Ok(())
        }
    }
}

/// The table of a service: `Operation => |state, context, input| needs`, each with the operation's action as `action`.
///
/// ```ignore
/// guards! { Sqs = "sqs", op;
///     SendMessage => |_sqs, context, input, action| queue(context, action, &input.queue_url);
/// }
/// ```
#[macro_export]
macro_rules! guards {
    ($service:ty = $prefix:literal, $operations:ident;
     $($operation:ident => |$state:pat_param, $context:pat_param, $input:pat_param, $action:pat_param| $needs:expr;)*) => {
        $(impl $crate::Guard<$operations::$operation> for $service {
            fn needs(
                &self,
                $context: &$crate::Context,
                $input: &<$operations::$operation as ::lambent_kit::smithy::Operation>::Input,
            ) -> $crate::Needs {
                let ($state, $action) = (self, concat!($prefix, ":", stringify!($operation)));
                $needs.into()
            }
        })*
    };
}
