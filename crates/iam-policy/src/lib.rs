//! IAM's policy language: documents are read strictly, checked as AWS checks them, and evaluated.
//!
//! ```
//! use lambent_iam_policy::{Context, Policies, Policy, Principal, Request, evaluate};
//!
//! let policy = Policy::parse(
//!     r#"{"Version": "2012-10-17",
//!         "Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::home/${aws:username}/*"}}"#,
//! )
//! .unwrap();
//! let principal = Principal::User { arn: "arn:aws:iam::123456789012:user/ana".into() };
//! let mut context = Context::of(&principal);
//! context.set("aws:username", "ana");
//! let request = Request {
//!     principal: &principal,
//!     action: "s3:GetObject",
//!     resource: "arn:aws:s3:::home/ana/photo.jpg",
//!     context: &context,
//! };
//! assert!(evaluate(&request, &Policies { identity: &[&policy], ..Policies::default() }).allowed());
//! ```

mod check;
mod condition;
mod context;
mod document;
mod evaluate;
mod glob;
mod malformed;
mod principal;
mod values;

pub use check::Kind;
pub use context::Context;
pub use document::{Effect, Policy, Position};
pub use evaluate::{Decision, Layer, Matched, Outcome, Policies, Request, evaluate};
pub use malformed::Malformed;
pub use principal::Principal;
