//! Structures, and the macro that generated code declares them with.

use std::marker::PhantomData;

use serde_json::{Map, Value};

use super::check::{Check, Path};
use super::shapes::Codec;

/// A structure of a model.
pub trait Structure: Default + Clone + std::fmt::Debug + Send + Sync + 'static {
    /// Reads its members; unknown ones are ignored.
    fn decode(members: &mut Members, at: &Path<'_>, check: &mut Check) -> Self;

    /// Writes the members that are there.
    fn encode(&self) -> Map<String, Value>;
}

/// A JSON object while its members are taken out.
#[derive(Debug, Default)]
pub struct Members(pub Map<String, Value>);

impl Members {
    /// A member that may be missing; `null` is missing.
    pub fn optional<C: Codec>(
        &mut self,
        name: &str,
        codec: C,
        at: &Path<'_>,
        check: &mut Check,
    ) -> Option<C::Rust> {
        match self.0.remove(name) {
            None | Some(Value::Null) => None,
            Some(value) => Some(codec.decode(value, &at.member(name), check)),
        }
    }

    /// A member that must be there.
    pub fn required<C: Codec>(&mut self, name: &str, codec: C, at: &Path<'_>, check: &mut Check) -> C::Rust {
        self.optional(name, codec, at, check).unwrap_or_else(|| {
            check.null(&at.member(name));
            C::Rust::default()
        })
    }
}

/// The codec of a structure.
pub struct StructureShape<T>(PhantomData<fn() -> T>);

impl<T> StructureShape<T> {
    /// The only value.
    pub const fn new() -> Self {
        StructureShape(PhantomData)
    }
}

impl<T> Default for StructureShape<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for StructureShape<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for StructureShape<T> {}

impl<T: Structure> Codec for StructureShape<T> {
    type Rust = T;

    const IS_STRUCTURE: bool = true;

    fn decode(&self, value: Value, at: &Path<'_>, check: &mut Check) -> T {
        let Value::Object(members) = value else {
            check.wrong_type(at, "a structure");
            return T::default();
        };
        T::decode(&mut Members(members), at, check)
    }

    fn encode(&self, rust: &T) -> Value {
        Value::Object(rust.encode())
    }

    fn show(&self, rust: &T) -> String {
        let members: Vec<String> =
            rust.encode().iter().map(|(key, value)| format!("{key}={value}")).collect();
        format!("({})", members.join(", "))
    }
}

/// The codec of a structure that stands inside itself.
pub struct BoxShape<T>(PhantomData<fn() -> T>);

impl<T> BoxShape<T> {
    /// The only value.
    #[allow(clippy::new_without_default, reason = "generated code names it in constants")]
    pub const fn new() -> Self {
        BoxShape(PhantomData)
    }
}

impl<T> Clone for BoxShape<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for BoxShape<T> {}

impl<T: Structure> Codec for BoxShape<T> {
    type Rust = Box<T>;

    const IS_STRUCTURE: bool = true;

    fn decode(&self, value: Value, at: &Path<'_>, check: &mut Check) -> Box<T> {
        Box::new(StructureShape::<T>::new().decode(value, at, check))
    }

    fn encode(&self, rust: &Box<T>) -> Value {
        Value::Object(rust.encode())
    }

    fn show(&self, rust: &Box<T>) -> String {
        StructureShape::<T>::new().show(rust)
    }
}

/// Declares a structure with its codec:
/// `structure! { Name { member: Type = required "Member" SHAPE, other: Type = optional "Other" SHAPE, } }`.
#[macro_export]
macro_rules! structure {
    ($(#[$doc:meta])* $name:ident { $($member:ident : $rust:ty = $kind:ident $wire:literal $codec:expr,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default)]
        #[allow(missing_docs)]
        pub struct $name {
            $(pub $member: $crate::structure!(@type $kind $rust),)*
        }

        impl $crate::smithy::Structure for $name {
            #[allow(unused_variables)]
            fn decode(
                members: &mut $crate::smithy::Members,
                at: &$crate::smithy::Path<'_>,
                check: &mut $crate::smithy::Check,
            ) -> Self {
                $name { $($member: members.$kind($wire, $codec, at, check),)* }
            }

            #[allow(unused_mut)]
            fn encode(&self) -> $crate::JsonMap {
                let mut members = $crate::JsonMap::new();
                $($crate::structure!(@put $kind members, $wire, $codec, &self.$member);)*
                members
            }
        }
    };
    (@type required $rust:ty) => { $rust };
    (@type optional $rust:ty) => { Option<$rust> };
    (@put required $members:ident, $wire:literal, $codec:expr, $value:expr) => {
        $members.insert($wire.to_owned(), $crate::smithy::Codec::encode(&$codec, $value));
    };
    (@put optional $members:ident, $wire:literal, $codec:expr, $value:expr) => {
        if let Some(value) = $value {
            $members.insert($wire.to_owned(), $crate::smithy::Codec::encode(&$codec, value));
        }
    };
}
